//! The benchmarks: every figure about speed and size that Keystead claims, measured against a reference in the same run.
//!
//! ```text
//! cargo bench                                  everything, some half an hour
//! cargo bench -- --quick                       shorter rounds, smaller stores; three to four minutes
//! cargo bench -- authenticate create           only these sections
//! cargo bench -- --before PROGRAM              only the comparison with another version of Keystead, some quarter of an hour
//! ```
//!
//! Sides are measured in turns (A B A B …), each as a process of its own with the same client, and what counts is the
//! median of the rounds' ratios: absolute figures say more about the machine. Client and server share its cores. A
//! target that is missed is reported as it is; only what could not be measured ends the run with a failure.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot measure must end, loudly")]
#![allow(clippy::disallowed_methods, reason = "a benchmark asks the clock; no use case runs on what it says")]

mod harness;
mod sections;

use harness::{Bench, references};
use sections::SECTIONS;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    // Cargo adds --bench of its own accord.
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == references::FLAG) {
        references::serve(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    let before = arguments.iter().position(|argument| argument == "--before").map(|flag| {
        let program = arguments.get(flag + 1).expect("--before must be followed by a program");
        let program = std::path::absolute(program).expect("a program must have a path");
        arguments.drain(flag..=flag + 1);
        program
    });
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    arguments.retain(|argument| argument != "--quick");
    if let Some(unknown) = arguments.iter().find(|argument| SECTIONS.iter().all(|(name, _)| name != argument)) {
        let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "There is no section {unknown}; there are {}, and the flags --quick and --before PROGRAM.",
            names.join(", ")
        );
        return ExitCode::FAILURE;
    }
    let began = Instant::now();
    let bench = Bench::new(is_quick);
    println!("# Keystead's benchmarks\n\n{}", bench.describe());
    for (name, run) in SECTIONS {
        if (arguments.is_empty() && before.is_none()) || arguments.iter().any(|argument| argument == name) {
            println!("\n## {name}\n");
            run(&bench);
        }
    }
    if let Some(program) = before {
        println!("\n## before\n");
        sections::before::compared(&bench, &program);
    }
    println!("\nDone in {:.0} s.", began.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
