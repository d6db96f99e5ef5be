//! Transaction blocks: what they read stays, what they write takes effect at once and says so.

use sluice_tests::{
    pg::{Pg, block_on},
    server::Server,
};

const SETUP: &str = "CREATE TABLE t (a INT); CREATE TABLE u (a INT); INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)";

fn count(pg: &Pg, table: &str) -> i64 {
    pg.number(&format!("SELECT count(*) FROM {table}"))
}

#[test]
fn a_block_reads_each_table_as_it_first_read_it() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run(SETUP);
    pg.run("CREATE VIEW v AS SELECT * FROM t");
    pg.run("BEGIN");
    assert_eq!(pg.value("SHOW transaction_isolation"), "repeatable read");
    assert_eq!(count(&pg, "t"), 1);
    other.run("INSERT INTO t VALUES (2); INSERT INTO u VALUES (2)");
    assert_eq!(count(&other, "t"), 2);
    // t was read before, u was not; a view reads what the block reads.
    assert_eq!(
        (count(&pg, "t"), count(&pg, "u"), count(&pg, "v")),
        (1, 2, 1)
    );
    other.run("DELETE FROM u");
    assert_eq!(count(&pg, "u"), 2);
    pg.run("SAVEPOINT s");
    assert_eq!(pg.try_run("SELECT nothing").unwrap_err().state, "42703");
    pg.refused("SELECT 1", "25P02", &["aborted"]);
    pg.run("ROLLBACK TO s");
    assert_eq!((count(&pg, "t"), count(&pg, "u")), (1, 2));
    pg.run("COMMIT");
    assert_eq!((count(&pg, "t"), count(&pg, "u")), (2, 0));
    assert_eq!(pg.value("SHOW transaction_isolation"), "read committed");

    // Each statement what is newest, where that is asked for.
    pg.run("BEGIN ISOLATION LEVEL READ COMMITTED");
    assert_eq!(count(&pg, "t"), 2);
    other.run("INSERT INTO t VALUES (3)");
    assert_eq!(count(&pg, "t"), 3);
    pg.run("COMMIT; SET default_transaction_isolation = 'read committed'; BEGIN");
    assert_eq!(count(&pg, "t"), 3);
    other.run("INSERT INTO t VALUES (4)");
    assert_eq!(count(&pg, "t"), 4);
    pg.run("COMMIT");
    let late = "BEGIN; SELECT 1 FROM t; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; COMMIT";
    pg.run(late); // Nothing was kept, so nothing is too late.
    pg.run("RESET default_transaction_isolation; BEGIN");
    assert_eq!(count(&pg, "t"), 4);
    pg.refused(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "25001",
        &["before any query"],
    );
    pg.run("ROLLBACK AND CHAIN");
    other.run("INSERT INTO t VALUES (5)");
    assert_eq!(count(&pg, "t"), 5);
    pg.run("COMMIT");
}

#[test]
fn a_prepared_statement_reads_what_its_block_reads() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run(SETUP);
    block_on(async {
        let count = pg.client().prepare("SELECT a FROM t WHERE a >= $1");
        let count = count.await.unwrap();
        let ask = async || pg.client().query(&count, &[&0_i32]).await.unwrap().len();
        for _ in 0..3 {
            assert_eq!(ask().await, 1);
        }
        pg.client().batch_execute("BEGIN").await.unwrap();
        assert_eq!(ask().await, 1);
        other
            .client()
            .batch_execute("INSERT INTO t VALUES (2)")
            .await
            .unwrap();
        assert_eq!(ask().await, 1);
        pg.client().batch_execute("COMMIT").await.unwrap();
        assert_eq!(ask().await, 2);
    });
}

#[test]
fn what_a_block_writes_is_there_at_once_and_a_notice_says_so() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run(SETUP);
    pg.take_notices();
    pg.run("BEGIN");
    assert_eq!(count(&pg, "t"), 1);
    pg.run("INSERT INTO t VALUES (2)");
    let notices = pg.take_notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0]
            .message
            .contains("ROLLBACK will not take it back")
    );
    // Its own rows are seen, and by others too.
    assert_eq!((count(&pg, "t"), count(&other, "t")), (2, 2));
    pg.run("CREATE TABLE made (a INT)");
    assert_eq!(pg.take_notices().len(), 0, "once in a block");
    pg.run("ROLLBACK");
    assert!(pg.take_notices()[0].message.contains("stays"));
    assert_eq!((count(&pg, "t"), count(&other, "made")), (2, 0));
    pg.run("BEGIN; CREATE TABLE more (a INT)");
    assert!(pg.take_notices()[0].message.contains("CREATE TABLE"));
    pg.run("COMMIT");
}

#[test]
fn a_block_that_only_reads_refuses_to_write() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(SETUP);
    let writes = [
        ("INSERT INTO t VALUES (2)", "INSERT"),
        ("UPDATE t SET a = 2", "UPDATE"),
        ("DELETE FROM t", "DELETE"),
        ("TRUNCATE t", "TRUNCATE"),
        ("CREATE TABLE w (a INT)", "CREATE TABLE"),
        ("CREATE VIEW w AS SELECT 1", "CREATE VIEW"),
        ("ALTER TABLE t ADD COLUMN b INT", "ALTER TABLE"),
        ("DROP TABLE t", "DROP TABLE"),
        ("GRANT SELECT ON t TO PUBLIC", "GRANT"),
        ("COPY t FROM STDIN", "COPY FROM"),
    ];
    for (sql, command) in writes {
        pg.run("BEGIN READ ONLY");
        assert_eq!(pg.value("SHOW transaction_read_only"), "on");
        assert_eq!(count(&pg, "t"), 1);
        let message = format!("cannot execute {command} in a read-only transaction");
        pg.refused(sql, "25006", &[&message]);
        pg.refused("SELECT 1", "25P02", &[]);
        pg.run("ROLLBACK");
    }
    pg.run("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
    pg.refused("DELETE FROM t", "25006", &["DELETE"]);
    pg.run("BEGIN READ WRITE; INSERT INTO t VALUES (2); COMMIT");
    pg.run("BEGIN; SET TRANSACTION READ WRITE; INSERT INTO t VALUES (3); COMMIT");
    pg.run("SET default_transaction_read_only = off; INSERT INTO t VALUES (4)");
    assert_eq!(count(&pg, "t"), 4);
}
