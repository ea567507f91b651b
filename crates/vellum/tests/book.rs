//! The book's traces are what the program prints.

#[path = "../examples/one_store.rs"]
#[expect(dead_code, reason = "the example's own main")]
mod one_store;

/// The chapter's blocks of text below this heading.
fn blocks<'a>(chapter: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, section) = chapter.split_once(heading).expect("the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    section.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_way_of_one_store_is_told_as_it_is_printed() {
    let chapter = include_str!("../../../docs/src/shadow.md");
    let story = one_store::story().expect("four stores that all succeed");
    let blocks = blocks(chapter, "## The way of one store\n");
    assert_eq!(blocks.len(), 3, "a block each for three of the stores");
    for block in blocks {
        assert!(story.contains(block), "not printed:\n{block}\nbut:\n{story}");
    }
}
