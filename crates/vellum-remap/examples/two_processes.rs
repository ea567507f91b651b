//! Buffers between two processes: this one fills a buffer and gives its pages to a child, which finds
//! them in the buffer that it has posted, and sends its own old pages back. What goes through the
//! pipe are the pages' numbers.

use std::io::{BufRead, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, ExitCode, Stdio};
use vellum_remap::process::{Arena, Window};
use vellum_remap::{Buffer, Data, PAGE, Part, Space, Transfers};

const PAGES: usize = 64;
const ROUNDS: u64 = 16;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
Gives 16 buffers of 64 pages to a child process by the numbers of their pages, and says what was copied

Usage: two_processes

  -h, --help   this text";
/// How the parent starts the child: with this and the number of a descriptor.
const CHILD: &str = "--child-with-descriptor";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => parent(),
        ["-h" | "--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        [CHILD, number] => number.parse().map_err(Into::into).and_then(child),
        [other, ..] => {
            eprintln!("two_processes: it takes no argument, and got {other}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("two_processes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parent() -> Result<(), Failure> {
    let arena = Arena::new(4 * PAGES)?;
    let mut window = Window::new(&arena, PAGES)?;
    // The file's descriptor stays open in the child, under the same number.
    let mut other = Command::new(std::env::current_exe()?)
        .args([CHILD, &arena.file().as_raw_fd().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to = other.stdin.take().ok_or("no pipe to the child")?;
    let mut from = std::io::BufReader::new(other.stdout.take().ok_or("no pipe from the child")?);
    for round in 0..ROUNDS {
        for page in 0..PAGES as u64 {
            let text = [round, page, round * page].map(u64::to_le_bytes).concat();
            window.write(page * PAGE as u64, &text)?;
        }
        // Pages of zeros take the place of those that are given.
        let mut run = window.zeros(PAGES);
        window.exchange(0, &mut run)?;
        let numbers = run.export().map_err(|_| "somebody else holds a page")?;
        writeln!(to, "{}", join(&numbers))?;
        let mut line = String::new();
        from.read_line(&mut line)?;
        // The child's old pages are ours.
        drop(arena.import(split(&line)?)?);
    }
    drop(to);
    let mut last = String::new();
    from.read_line(&mut last)?;
    print!("{last}");
    println!(
        "parent: {} bytes given, 0 copied; {} calls changed a mapping",
        ROUNDS * (PAGES * PAGE) as u64,
        window.flips
    );
    let ended = other.wait()?;
    if ended.success() { Ok(()) } else { Err(format!("the child ended with {ended}").into()) }
}

fn child(number: i32) -> Result<(), Failure> {
    let arena = Arena::open(inherited(number))?;
    let mut window = Window::new(&arena, PAGES)?;
    let mut transfers = Transfers::default();
    for (round, line) in (0u64..).zip(std::io::stdin().lock().lines()) {
        let mut data = Data::new();
        data.push(Part::Pages(arena.import(split(&line?)?)?));
        let token = transfers.post(&window, &[Buffer::new(0, (PAGES * PAGE) as u64)])?;
        let (_, back) = transfers.deliver(&mut window, token, &data)?;
        drop(data);
        for page in 0..PAGES as u64 {
            let mut text = [0; 24];
            window.read(page * PAGE as u64, &mut text)?;
            assert_eq!(text.to_vec(), [round, page, round * page].map(u64::to_le_bytes).concat());
        }
        // What the window showed before goes back; the first time that are zeros, which are nobody's.
        let numbers: Vec<u32> =
            back.into_iter().flat_map(|run| run.export().unwrap_or_default()).collect();
        println!("{}", join(&numbers));
    }
    let counters = transfers.counters;
    println!("child: {} bytes remapped, {} copied", counters.remapped, counters.copied);
    Ok(())
}

// UNSAFETY: an open descriptor of this number is what the parent has promised.
#[expect(unsafe_code, reason = "a descriptor that was inherited by number")]
fn inherited(number: i32) -> OwnedFd {
    // SAFETY: the parent left this descriptor open for us and nobody else here uses it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

fn join(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn split(line: &str) -> Result<Vec<u32>, Failure> {
    line.split_whitespace().map(|word| word.parse().map_err(Into::into)).collect()
}
