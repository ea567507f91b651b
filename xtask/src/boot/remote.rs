//! Stores of a pager's pages that are elsewhere, each a feature of this program, since what they bring
//! along is much.

use anyhow::Result;
use vellum::vellum_pager::store::PageStore;

/// Servers of the Redis protocol; several are a cluster.
#[cfg(feature = "redis")]
pub fn redis(servers: &[String]) -> Result<Box<dyn PageStore>> {
    use vellum::vellum_pager::store::RedisStore;
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let patience = std::time::Duration::from_secs(5);
    Ok(Box::new(RedisStore::connect(&servers, &prefix(), patience)?))
}

/// Says how to get it.
#[cfg(not(feature = "redis"))]
pub fn redis(_: &[String]) -> Result<Box<dyn PageStore>> {
    left_out("redis")
}

/// An object store by its URL. What this run puts there is deleted at its end.
#[cfg(feature = "object-store")]
pub fn objects(urls: &[String]) -> Result<Box<dyn PageStore>> {
    let [url] = urls else {
        anyhow::bail!("--pager object needs one --pager-at, and has {}", urls.len())
    };
    objects::open(url, &prefix())
}

/// Says how to get it.
#[cfg(not(feature = "object-store"))]
pub fn objects(_: &[String]) -> Result<Box<dyn PageStore>> {
    left_out("object-store")
}

/// What this run's pages are named by, beside those of other runs.
#[cfg(any(feature = "redis", feature = "object-store"))]
fn prefix() -> String {
    format!("vellum-boot-{}", std::process::id())
}

#[cfg(not(all(feature = "redis", feature = "object-store")))]
fn left_out(feature: &str) -> Result<Box<dyn PageStore>> {
    anyhow::bail!(
        "this xtask was built without `{feature}`: type \
         `cargo run --release -p xtask --features {feature} -- boot` instead of `cargo xtask boot`"
    )
}

#[cfg(feature = "object-store")]
mod objects {
    use anyhow::{Context, Result, anyhow};
    use object_store::local::LocalFileSystem;
    use std::sync::Arc;
    use vellum::vellum_pager::store::{ObjectStore, PageStore, Put};
    use vellum::vellum_pager::{Lines, PAGE, PageNo};

    pub fn open(url: &str, prefix: &str) -> Result<Box<dyn PageStore>> {
        let opened = connect(url, prefix).with_context(|| format!("--pager-at {url}"))?;
        Ok(Box::new(opened))
    }

    fn connect(url: &str, prefix: &str) -> Result<ObjectStore> {
        let parsed = url::Url::parse(url).context("it is no URL; a folder's is file:///FOLDER")?;
        let (objects, path) = if parsed.scheme() == "file" {
            let folder = parsed.to_file_path();
            let folder = folder.map_err(|()| anyhow!("it names no folder of this machine"))?;
            anyhow::ensure!(folder.is_dir(), "there is no folder {}", folder.display());
            // Folders inside that are empty again go.
            let files = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
            (Arc::new(files) as Arc<dyn object_store::ObjectStore>, prefix.to_owned())
        } else {
            let (objects, path) = object_store::parse_url_opts(&parsed, std::env::vars())
                .context("nothing in this build speaks to it; a folder's URL is file:///FOLDER")?;
            (objects.into(), path.join(prefix).to_string())
        };
        let mut store = ObjectStore::open(objects, &path)?.with_deletion();
        try_out(&mut store).context("pages can't be kept there")?;
        Ok(store)
    }

    /// Puts a page and takes it away again: what can't be written is found out before the guest starts,
    /// and not when its first page goes.
    fn try_out(store: &mut ObjectStore) -> Result<()> {
        let page = PageNo::new(0);
        store.put(&[Put { page, content: &[0; PAGE], lines: Lines::ALL }])?;
        Ok(store.discard(&[page])?)
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use vellum::vellum_pager::store::{Answer, Get};

        #[test]
        fn a_folder_keeps_pages_and_is_as_it_was_at_the_end() {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("file://{}", folder.path().display());
            let mut store = open(&url, "run-1").unwrap();
            let content = [7; PAGE];
            store
                .put(&[Put { page: PageNo::new(3), content: &content, lines: Lines::ALL }])
                .unwrap();
            let mut back = [0; PAGE];
            let mut get = [Get::new(PageNo::new(3), &mut back)];
            store.get(&mut get);
            assert_eq!(get[0].answer, Answer::Found);
            assert_eq!(back, content);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
            drop(store);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        }

        #[test]
        fn what_can_t_be_is_refused_with_the_url() {
            for (url, why) in [
                ("nonsense", "it is no URL"),
                ("file:///nowhere/at/all", "there is no folder /nowhere/at/all"),
                ("file:///proc/self", "pages can't be kept there"),
                ("gopher://host/pages", "nothing in this build speaks to it"),
            ] {
                let error = open(url, "run-1").err().map(|error| format!("{error:#}"));
                let said = error.unwrap_or_default();
                assert!(said.contains(url) && said.contains(why), "{url}: {said}");
            }
        }
    }
}
