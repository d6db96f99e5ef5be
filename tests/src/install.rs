//! Programs of the operating system: found, or installed with its package manager where rights allow.
//!
//! Anything else ends in one line that names what is missing and how to get it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::cache::{self, Lock, say};

/// Finds `program` on the path, or installs the Debian package `package`; the error is one line.
pub fn program(program: &str, package: &str) -> Result<PathBuf, String> {
    if let Some(path) = on_path(program) {
        return Ok(path);
    }
    let missing = |why: &str| {
        format!(
            "missing program {program} ({why}): install it, on Debian with apt-get install {package}"
        )
    };
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return Err(missing("and no rights to install it"));
    }
    if on_path("apt-get").is_none() {
        return Err(missing("and no apt-get to install it with"));
    }
    let _lock = apt_lock()?;
    if let Some(path) = on_path(program) {
        return Ok(path);
    }
    say(&format!("installing {package} for {program} (apt-get)"));
    if !apt(&["install", "-y", "--no-install-recommends", package]) {
        say("refreshing the package lists first (apt-get update)");
        apt(&["update"]);
        if !apt(&["install", "-y", "--no-install-recommends", package]) {
            return Err(missing("apt-get could not install it"));
        }
    }
    on_path(program).ok_or_else(|| missing("still not there after installing"))
}

/// Installs a package that brings no program of its own.
pub fn package(package: &str) -> Result<(), String> {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 || on_path("apt-get").is_none() {
        return Err(format!("missing package {package}: install it"));
    }
    let _lock = apt_lock()?;
    say(&format!("installing {package} (apt-get)"));
    let install = ["install", "-y", "--no-install-recommends", package];
    if apt(&install) || (apt(&["update"]) && apt(&install)) {
        Ok(())
    } else {
        Err(format!(
            "missing package {package}: apt-get could not install it"
        ))
    }
}

fn apt_lock() -> Result<Lock, String> {
    let root = cache::root();
    std::fs::create_dir_all(&root).map_err(|e| format!("cannot make {}: {e}", root.display()))?;
    Lock::take(&root.join("apt.lock")).map_err(|e| format!("cannot lock {}: {e}", root.display()))
}

fn apt(args: &[&str]) -> bool {
    Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Where a program is on `PATH`.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Runs an installer to its end; on failure its last lines are in the error.
pub fn run(what: &str, command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{what} did not start: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(12)..].join("\n");
    Err(format!("{what} failed ({}):\n{tail}", output.status))
}

/// Puts the runtime jars of Maven coordinates `group:artifact:version` and all they need into `libs`; of these `groups` only, where
/// some are named.
pub fn maven(dir: &Path, libs: &Path, coordinates: &[&str], groups: &str) -> Result<(), String> {
    program("java", "default-jdk-headless")?;
    let mvn = program("mvn", "maven")?;
    let pom = dir.join("pom.xml");
    std::fs::write(&pom, pom_text(coordinates))
        .map_err(|e| format!("cannot write the pom: {e}"))?;
    let mut command = Command::new(mvn);
    command
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", libs.display()));
    if !groups.is_empty() {
        command.arg(format!("-DincludeGroupIds={groups}"));
    }
    run("mvn dependency:copy-dependencies", &mut command)
}

fn pom_text(coordinates: &[&str]) -> String {
    let dependencies: String = coordinates
        .iter()
        .map(|coordinate| {
            let part: Vec<&str> = coordinate.split(':').collect();
            format!(
                "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>\n",
                part[0], part[1], part[2]
            )
        })
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>sluice</groupId><artifactId>parts</artifactId><version>1</version><packaging>pom</packaging>\n\
         <dependencies>\n{dependencies}</dependencies></project>\n"
    )
}
