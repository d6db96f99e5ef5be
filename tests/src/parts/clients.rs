//! What the examples of `clients/` need: Python environments, jars, Node's packages, Go programs, an ODBC driver. All for `make test-clients`.
//!
//! One environment a tool: dbt, Airflow and Superset do not share theirs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cache::{self, say},
    install,
    parts::python,
};

/// Clients that share an environment.
const DATA: [&str; 13] = [
    "pg8000==1.31.6",
    "pgcli==4.7.1",
    "connectorx==0.4.5",
    "polars==2.1.0",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "adbc-driver-postgresql==1.13.0",
    "adbc-driver-flightsql==1.13.0",
    "duckdb==1.5.5",
    "duckdb-extensions==1.5.5",
    "duckdb-extension-postgres-scanner==1.5.5",
    "pytz==2026.6",
    "pyodbc==5.5.0",
];
const DBT: [&str; 2] = ["dbt-core==1.11.16", "dbt-postgres==1.11.0"];
const AIRFLOW: [&str; 3] = [
    "apache-airflow==3.3.2",
    "apache-airflow-providers-postgres==7.1.1",
    "apache-airflow-providers-common-sql==2.4.0",
];
/// Without the last three it does not start.
const SUPERSET: [&str; 5] = [
    "apache-superset==6.1.0",
    "psycopg2-binary==2.9.13",
    "rich==15.0.0",
    "cachetools==8.0.2",
    "flask-caching==2.3.1",
];
const FLIGHT_JDBC: [&str; 1] = ["org.apache.arrow:flight-sql-jdbc-driver:18.3.0"];
/// Debian's names: the driver manager and PostgreSQL's driver.
const ODBC: [&str; 2] = ["unixodbc", "odbc-postgresql"];

/// The interpreter that has the clients of [`DATA`].
pub fn data() -> Result<PathBuf, String> {
    python::venv("data-clients", &DATA)
}

/// As [`data`], with an ODBC driver for PostgreSQL.
pub fn odbc() -> Result<PathBuf, String> {
    let known = fs::read_to_string("/etc/odbcinst.ini").unwrap_or_default();
    if !known.contains("[PostgreSQL Unicode]") {
        for package in ODBC {
            install::package(package)?;
        }
    }
    data()
}

/// The interpreter that has dbt; `dbt` stands beside it.
pub fn dbt() -> Result<PathBuf, String> {
    python::venv("dbt-1.11", &DBT)
}

/// The interpreter that has Airflow.
pub fn airflow() -> Result<PathBuf, String> {
    python::venv("airflow-3.3", &AIRFLOW)
}

/// The interpreter that has Superset; `superset` stands beside it.
pub fn superset() -> Result<PathBuf, String> {
    python::venv("superset-6.1", &SUPERSET)
}

/// The folder of Flight SQL's JDBC driver.
pub fn flight_jdbc() -> Result<PathBuf, String> {
    install::program("java", "default-jdk-headless")?;
    let dir = cache::part("flight-sql-jdbc-18.3.0", &FLIGHT_JDBC.join("\n"), |dir| {
        say("installing the Flight SQL JDBC driver 18.3.0 (Maven, 45 MB)");
        install::maven(dir, &dir.join("libs"), &FLIGHT_JDBC, "")
    })?;
    Ok(dir.join("libs"))
}

/// A copy of `clients/node` with its packages beside it.
pub fn node() -> Result<PathBuf, String> {
    install::program("node", "nodejs")?;
    let source = crate::folder().join("../clients/node");
    let read = |name: &str| {
        let path = source.join(name);
        fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    let [package, lock, script] =
        ["package.json", "package-lock.json", "node_postgres.js"].map(read);
    let (package, lock, script) = (package?, lock?, script?);
    let dir = cache::part("node-clients", &format!("{package}{lock}"), |dir| {
        let npm = install::program("npm", "npm")?;
        say("installing node-postgres (npm)");
        for (name, text) in [("package.json", &package), ("package-lock.json", &lock)] {
            fs::write(dir.join(name), text).map_err(|e| format!("{name}: {e}"))?;
        }
        let mut command = Command::new(npm);
        command
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(dir);
        install::run("npm ci", &mut command)
    })?;
    // packages are looked for beside the script
    fs::write(dir.join("node_postgres.js"), script).map_err(|e| format!("the example: {e}"))?;
    Ok(dir)
}

/// A Go program built from a folder with a `go.mod`, into `into`.
pub fn go(folder: &Path, into: &Path) -> Result<(), String> {
    let go = install::program("go", "golang")?;
    say(&format!("building {} (Go)", folder.display()));
    let mut command = Command::new(go);
    command
        .args(["build", "-o"])
        .arg(into)
        .arg(".")
        .current_dir(folder);
    install::run("go build", &mut command)
}
