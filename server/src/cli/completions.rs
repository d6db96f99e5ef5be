//! `sluice completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Outcome, output};

/// Prints the script.
pub(super) fn run(shell: Shell) -> Outcome {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut script);
    output::bytes(&script)
}
