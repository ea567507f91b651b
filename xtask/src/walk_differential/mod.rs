//! `cargo xtask walk-differential`: accesses through random page tables, here and by Unicorn and QEMU,
//! independent emulators, where they are installed.
//!
//! Each case is a path of tables, registers and one access. Both sides must agree on whether it
//! faults, on where it leads, and on the accessed and dirty bits that it leaves. A disagreement is
//! listed with the rule that decided here; those that are known are the emulator's, and say why.

mod qemu;
mod ram;
mod riscv;
mod unicorn;
mod x86;

use crate::random::Random;
use crate::table::Table;
use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;
use vellum_translate::Access;
use vellum_translate::explain::{Explanation, Verdict};

/// A difference: the other side has set accessed bits though it refused the access.
const MORE_ACCESSED: &str = "accessed bits of a path that was refused";
/// What a store stores.
const STORED: u64 = 0x7777_7777_7777_7777;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cases of each architecture
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    cases: u32,
    /// Only this architecture
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Only against this emulator
    #[arg(long, value_enum)]
    against: Option<Emulator>,
    /// Where chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Show this case and its walk
    #[arg(long, value_name = "N", requires = "arch")]
    show: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Arch {
    #[value(name = "x86-64")]
    X86,
    Riscv,
}

impl Arch {
    const fn name(self) -> &'static str {
        match self {
            Arch::X86 => "x86-64",
            Arch::Riscv => "RISC-V",
        }
    }

    fn case(self, random: &mut Random) -> Case {
        match self {
            Arch::X86 => x86::case(random),
            Arch::Riscv => riscv::case(random),
        }
    }
}

/// Who makes the same accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emulator {
    Unicorn,
    Qemu,
}

/// An emulator's name and version, and its answers to all cases; or why it gives none.
type Answers = Result<(String, Vec<Vec<i128>>), String>;

impl Emulator {
    fn ask(self, cases: &[Case]) -> Result<Answers> {
        match self {
            Emulator::Unicorn => unicorn::ask(cases),
            Emulator::Qemu => qemu::ask(cases),
        }
    }

    /// The architectures that it is asked about.
    const fn arches(self) -> &'static [Arch] {
        match self {
            Emulator::Unicorn => &[Arch::X86, Arch::Riscv],
            Emulator::Qemu => &[Arch::Riscv],
        }
    }

    /// Rules that it does not have, with the reason.
    const fn known(self, arch: Arch) -> &'static [(&'static str, &'static str)] {
        match (self, arch) {
            (Emulator::Unicorn, Arch::X86) => &x86::KNOWN,
            (Emulator::Unicorn, Arch::Riscv) => &riscv::KNOWN,
            (Emulator::Qemu, _) => &[],
        }
    }
}

/// A case, and what our walk makes of it.
struct Case {
    /// For the emulator, without place and words.
    registers: String,
    access: Access,
    /// The words, as they are before.
    words: Vec<(u64, u64)>,
    /// Where the access leads, or the exception's number.
    ours: Result<u64, u64>,
    /// The words after it.
    left: Vec<u64>,
    /// The accessed bit.
    accessed: u64,
    shown: Explanation,
}

impl Case {
    fn line(&self) -> String {
        let place = self.ours.unwrap_or(self.words[0].0);
        let words: String =
            self.words.iter().map(|(at, word)| format!(" {at:x} {word:x}")).collect();
        format!("{} {place:x}{words}\n", self.registers)
    }

    /// The rule that decided here, numbers left out.
    fn rule(&self) -> String {
        let mut steps = self.shown.columns[0].cells.iter().flatten();
        let Some(step) = steps.find(|step| step.verdict == Verdict::Refuses) else {
            return "the access is allowed".into();
        };
        let number = |word: &str| word.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        let words = step.says.split(' ').map(|word| if number(word) { "…" } else { word });
        words.collect::<Vec<_>>().join(" ")
    }

    /// What is different about the emulator's answer, if anything is.
    fn differs(&self, answer: &[i128]) -> Option<String> {
        let [cause, loaded, stored, left @ ..] = answer else {
            return Some("no answer".into());
        };
        let page_fault = self.ours.err();
        let theirs = u64::try_from(*cause).ok();
        if theirs != page_fault {
            let say =
                |fault: Option<u64>| fault.map_or("no fault".into(), |n| format!("exception {n}"));
            return Some(format!("here {}, there {}", say(page_fault), say(theirs)));
        }
        let same = |ours: u64, theirs: i128| i128::from(ours) == theirs;
        match (self.ours, self.access) {
            (Ok(at), Access::Load) if !same(at, *loaded) => {
                return Some(format!("here it loads {at:#x}, there {loaded:#x}"));
            }
            (Ok(at), Access::Store) if !same(STORED, *stored) => {
                return Some(format!("there nothing is stored to {at:#x}"));
            }
            _ => {}
        }
        let alike = |ignored: u64| {
            let bits = |word: i128| u64::try_from(word).map_or(0, |word| word | ignored);
            let mut pairs = self.left.iter().zip(left);
            self.left.len() == left.len()
                && pairs.all(|(&ours, &theirs)| ours | ignored == bits(theirs))
        };
        if alike(0) {
            None
        } else if page_fault.is_some() && alike(self.accessed) {
            Some(MORE_ACCESSED.into())
        } else {
            Some("other accessed or dirty bits".into())
        }
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let arches = args.arch.map_or(vec![Arch::X86, Arch::Riscv], |arch| vec![arch]);
    let emulators =
        args.against.map_or(vec![Emulator::Unicorn, Emulator::Qemu], |emulator| vec![emulator]);
    let mut unknown = 0;
    for arch in arches {
        let mut random = Random::new(args.seed);
        let cases: Vec<Case> = (0..args.cases).map(|_| arch.case(&mut random)).collect();
        if let Some(number) = args.show {
            let case = cases.get(number as usize).context("there is no such case")?;
            println!("{}{}", case.line(), case.shown);
            return Ok(ExitCode::SUCCESS);
        }
        for emulator in emulators.iter().filter(|emulator| emulator.arches().contains(&arch)) {
            match emulator.ask(&cases)? {
                Ok((version, answers)) => {
                    let known = emulator.known(arch);
                    unknown += report(arch, &version, known, &cases, &answers, args.json)?;
                }
                Err(why) => println!("skipped: {why}"),
            }
        }
    }
    Ok(if unknown == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lists where the sides differ, by rule; how many cases no known reason covers.
fn report(
    arch: Arch,
    version: &str,
    known: &[(&str, &str)],
    cases: &[Case],
    answers: &[Vec<i128>],
    json: bool,
) -> Result<u32> {
    let mut rules: BTreeMap<(String, String), (u32, usize)> = BTreeMap::new();
    let mut decided: BTreeMap<String, u32> = BTreeMap::new();
    for (number, case) in cases.iter().enumerate() {
        *decided.entry(case.rule()).or_default() += 1;
        let answer = answers.get(number).map_or(&[][..], Vec::as_slice);
        if let Some(how) = case.differs(answer) {
            rules.entry((case.rule(), how)).or_insert((0, number)).0 += 1;
        }
    }
    let title = format!("{} against {version}: {} cases", arch.name(), cases.len());
    let head = ["rule that decided here", "what differs", "cases", "first", "known"];
    let mut table = Table::new(&title, &head);
    let (mut all, mut unknown) = (0, 0);
    for ((rule, how), (count, first)) in rules {
        let covers = |part: &str| rule.contains(part) || how.contains(part);
        let reason = known.iter().find(|(part, _)| covers(part));
        all += count;
        unknown += if reason.is_some() { 0 } else { count };
        let reason = reason.map_or("NO", |(_, reason)| reason);
        table.row([json!(rule), json!(how), json!(count), json!(first), json!(reason)]);
    }
    if json {
        let mut value = table.json();
        value["decided"] = json!(decided);
        value["agree"] = json!(cases.len() as u32 - all);
        value["unknown"] = json!(unknown);
        println!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        println!("{}", table.text());
        let rules = decided.len();
        println!(
            "{} of {} agree, decided by {rules} rules; {all} differ, {unknown} for no known reason\n",
            cases.len() as u32 - all,
            cases.len()
        );
    }
    Ok(unknown)
}

impl Random {
    /// True once in `times`.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// `flag`, but not once in `times`.
    fn mostly(&mut self, flag: u64, times: u64) -> u64 {
        if self.once_in(times) { 0 } else { flag }
    }

    fn access(&mut self) -> Access {
        [Access::Load, Access::Store, Access::Fetch][self.below(3) as usize]
    }
}

/// Its number in the emulators' programs.
const fn kind(access: Access) -> u8 {
    match access {
        Access::Load => 0,
        Access::Store => 1,
        Access::Fetch => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_meet_every_rule_and_an_answer_like_ours_agrees() {
        for (arch, rules) in [(Arch::Riscv, 13), (Arch::X86, 8)] {
            let mut random = Random::new(3);
            let mut seen = BTreeMap::new();
            for _ in 0..4000 {
                let case = arch.case(&mut random);
                *seen.entry(case.rule()).or_insert(0) += 1;
                let mut answer = match (case.ours, case.access) {
                    (Err(fault), _) => vec![fault.into(), 0, 0],
                    (Ok(at), Access::Load) => vec![-1, at.into(), 0],
                    (Ok(_), _) => vec![-1, 0, STORED.into()],
                };
                answer.extend(case.left.iter().map(|&word| i128::from(word)));
                assert_eq!(case.differs(&answer), None);
                answer[0] = if case.ours.is_ok() { 14 } else { -1 };
                assert!(case.differs(&answer).is_some(), "another fault is a difference");
            }
            assert!(seen.len() >= rules, "{}: {seen:#?}", arch.name());
        }
    }
}
