//! `sluice check`: every error of a script, and nothing done.
//!
//! Later statements refer to what earlier ones create, so the script is carried out on a server that only plans: its catalog lives in
//! memory, no broker is asked, no query starts, no row is read.

use sluice_server::engine::{Engine, EngineConfig};
use sluice_server::root::RootOptions;
use sluice_server::session::Session;

use super::embedded::{self, EmbeddedRoot, runtime};
use super::script::{Piece, Script};
use super::{CheckArgs, Failure, Outcome, logging, output};

/// Checks the script.
pub(super) fn run(args: &CheckArgs) -> Outcome {
    logging::to_stderr("error")?;
    let script = Script::read(&args.file)?;
    runtime()?.block_on(check(&script))
}

async fn check(script: &Script) -> Outcome {
    let root = EmbeddedRoot::new(None, None)?;
    let engine = Engine::start(EngineConfig {
        root: root.url().to_owned(),
        query_memory: crate::config::Memory::default().bytes,
        plan_only: true,
        root_options: RootOptions::default(),
    })
    .await?;
    let session = embedded::session(&engine)?;
    let (mut statements, mut errors) = (0, 0);
    for piece in script.pieces() {
        statements += 1;
        if let Err(told) = check_one(script, &session, piece).await {
            errors += 1;
            output::line(&told)?;
        }
        for notice in session.take_notices() {
            output::error(&format!("NOTICE:  {notice}"));
        }
    }
    engine.shutdown().await;
    let all = format!(
        "{statements} statement{}",
        if statements == 1 { "" } else { "s" }
    );
    if errors == 0 {
        output::line(&format!("{all}: no errors"))
    } else {
        output::error(&format!("{all}: {errors} with errors"));
        Err(Failure::Reported)
    }
}

async fn check_one(script: &Script, session: &Session, piece: Piece<'_>) -> Result<(), String> {
    let Some(prepared) = script.prepare(session, piece).await? else {
        return Ok(());
    };
    // What gives rows is planned by now; what gives none changes the catalog or the session.
    if prepared.schema.is_none() {
        let done = session.execute(&prepared, vec![]).await;
        done.map_err(|e| script.tell(piece, &e))?;
    }
    Ok(())
}
