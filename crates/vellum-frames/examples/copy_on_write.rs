//! Two owners of one frame: who writes first gets a copy, and a freed frame waits for its readers.

use vellum_frames::{Error, FramePool, Options};

fn main() -> Result<(), Error> {
    let pool = FramePool::new(Options::new(1024))?;
    let page = pool.allocate()?;
    pool.write(page, 0, b"shared by two");
    pool.retain(page);
    println!("{page} has {} owners", pool.references(page));

    // One of them writes: it may not, so it takes a copy and gives its reference up.
    let own = if pool.is_exclusive(page) { page } else { pool.allocate_copy(page)? };
    pool.release(page);
    pool.write(own, 0, b"mine, by copy");
    let show = |frame| {
        let mut text = [0; 13];
        pool.read(frame, 0, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    println!("{page}: {:?}; {own}: {:?}", show(page), show(own));

    // A hart that may still hold a pointer keeps the frame from being handed out again.
    let hart = pool.reader();
    hart.quiesce();
    pool.release(page);
    println!("next frame while the hart may look: {}", pool.allocate()?);
    hart.quiesce();
    println!("next frame after its safe point:    {}", pool.allocate()?);
    println!("{:?}", pool.counters());
    Ok(())
}
