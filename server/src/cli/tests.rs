#![expect(clippy::unwrap_used, reason = "tests")]

use clap::CommandFactory;
use sluice_server::error::SqlState;

use super::*;

fn parse(args: &[&str]) -> Result<Command, clap::Error> {
    let args = std::iter::once("sluice").chain(args.iter().copied());
    Cli::try_parse_from(args).map(|cli| cli.command)
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for args in [
        &[][..],
        &["serv"],
        &["run"],
        &["serve", "--pg-listen", "5455"],
        &["serve", "--root", ""],
        &["demo", "--seconds", "0"],
        &["demo", "--kafka", "127.0.0.1:9092"],
        &["demo", "--topic", "t"],
        &["demo", "--kafka", "b:1", "--topic", "t", "--rate", "5"],
        &["completions", "cmd.exe"],
    ] {
        let error = parse(args).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{args:?}");
    }
}

#[test]
fn help_teaches() {
    for (command, words) in [
        (None, &["psql", "Exit codes"][..]),
        (
            Some("serve"),
            &[
                "Flight SQL",
                "/readyz",
                "SIGTERM",
                "SLUICE_PG_LISTEN",
                "127.0.0.1:5455",
                "Examples",
            ],
        ),
        (Some("run"), &["CSV", "Examples"]),
        (Some("check"), &["file:line:column"]),
        (Some("demo"), &["--seconds", "60 times", "Examples"]),
    ] {
        let mut cli = Cli::command();
        let help = match command {
            None => cli.render_long_help(),
            Some(name) => cli.find_subcommand_mut(name).unwrap().render_long_help(),
        };
        let help = help.to_string();
        for word in words {
            assert!(help.contains(word), "{word} is not in\n{help}");
        }
    }
}

#[test]
fn exit_codes_say_whose_fault_it_was() {
    let user = Error::user(SqlState::SyntaxError, "x");
    assert_eq!(exit_code(user.fault), 1);
    assert_eq!(exit_code(Error::outside(SqlState::IoError, "x").fault), 3);
    assert_eq!(exit_code(Error::internal("x").fault), 4);
}
