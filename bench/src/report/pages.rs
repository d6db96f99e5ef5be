//! The page's own words; every figure comes from elsewhere.

/// A section of the page.
pub struct Page {
    /// Whose figures.
    pub scenario: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is measured, and what to know of it.
    pub about: &'static str,
    /// Its chart, where it has one.
    pub chart: &'static str,
}

/// How it begins.
pub const BEFORE: &str = "# Benchmarks

Written by `make bench-report` of what `make bench-peers` measured, and of nothing else: the raw figures are in [bench/results](../bench/results). [How it is done](decisions/020-the-benchmark.md), [settings of everybody and how to run it again](../bench/README.md).

The job is the same everywhere: from one topic of one broker on this machine, JSON, a minute's tumbling window by event type and segment with count, avg and p95, ten seconds of watermark, exactly once. Ours and Spark write Delta, Flink
Parquet. Each answer is read back and compared with an independent computation first: a run with a wrong answer has no figure. Processor time is the operating system's, of each process apart; a peer's is that of its whole tree of processes.
Where there are several runs, a figure is their median, with the least and the greatest in brackets.
";

/// Of the profile.
pub const PROFILE: &str = "The server drains a topic while `perf` looks at what it does a few hundred times a second of processor time; a sample belongs to the innermost function that says what it is for. Nanoseconds an event are the processor time of that
very drain, divided by shares of samples.
";

/// What would come next, behind what the table says.
pub const NEXT: &str = "Not tried yet: a fetch waits up to 35 ms for company ([008](decisions/008-direct-fetch.md)); shorter waits would take that off freshness, for some processor time.
";

/// Every section.
pub const PAGES: [Page; 16] = [
    Page {
        scenario: "drain",
        title: "Drain of a preloaded topic",
        about: "As fast as it goes, a shorter topic and a longer one; what events cost is the difference, so nobody pays for its start. Seconds of ours end when every final row can be read by SQL, its processor time when every row is in Delta; those of a peer when its process is over.",
        chart: "drain.svg",
    },
    Page {
        scenario: "drain-dirty",
        title: "The same, dirty",
        about: "3 % of the messages are not JSON; of the others half have their fields in another order, none for the segment, escapes, or a long text beside. Ours keeps what does not decode as dead letters with the reason; the peers drop it.",
        chart: "drain-dirty.svg",
    },
    Page {
        scenario: "baseline",
        title: "Beside reading alone",
        about: "Our own reader without a query: messages as they are, decoded by arrow-json, decoded by ours; and the whole job on the same topics.",
        chart: "baseline.svg",
    },
    Page {
        scenario: "freshness-10000",
        title: "Freshness at 10,000 events a second",
        about: "From the moment the event that closes a window is handed to the producer until its rows are there: by SQL over the Postgres wire (commits every 10 s), or in the table's finished files (ours commits and Flink checkpoints every 200 ms; Spark starts a batch as soon as the last is done). Event time runs 120 times as fast as the clock, so that two windows close a second and an hour is sealed every 30 s. Processor time has the reader that asks all the time in it. A drain beside is another query over a topic that is there, again and again; the runaway query is a cartesian join of 10¹² rows.",
        chart: "freshness-10000.svg",
    },
    Page {
        scenario: "freshness-116",
        title: "Freshness at 116 events a second",
        about: "The same at ten million events a day.",
        chart: "freshness-116.svg",
    },
    Page {
        scenario: "freshness-200000",
        title: "Freshness at 200,000 events a second",
        about: "Ours alone: the producer takes a good part of a small machine by itself.",
        chart: "freshness-200000.svg",
    },
    Page {
        scenario: "trickle",
        title: "The job at the pace of the clock",
        about: "Nobody asks, options are those that a table has by itself.",
        chart: "",
    },
    Page {
        scenario: "idle",
        title: "Idle",
        about: "",
        chart: "",
    },
    Page {
        scenario: "many",
        title: "Several queries on one topic",
        about: "The same query several times, each into a table of its own, created one after the other; over a topic that takes longer to read than the statements take to come, and over a short one.",
        chart: "",
    },
    Page {
        scenario: "keys",
        title: "Many keys",
        about: "Count and sum by user in a day's window, from reading to the committed table.",
        chart: "",
    },
    Page {
        scenario: "bronze",
        title: "Bronze copy, and scans of it",
        about: "Every row as it is into a Delta table; then a count and a sum by event type of all of it, and all of it by Flight SQL: the first time a server does anything of the kind, the second, when it keeps the rows, and from then on. The larger table is more than is kept: it is read from its files each time.",
        chart: "",
    },
    Page {
        scenario: "recovery",
        title: "Recovery",
        about: "SIGKILL and start: until a query is answered, and until everything in the topic has been read again.",
        chart: "",
    },
    Page {
        scenario: "serving",
        title: "Point queries",
        about: "By a prepared statement, as fast as a few connections ask, then at half of that; PostgreSQL with an index and the engine alone over the same files beside.",
        chart: "",
    },
    Page {
        scenario: "doors",
        title: "The Postgres door",
        about: "Logins one after the other, connections that do nothing, and results of three columns made by generate_series and read row by row: the memory that they take beyond what the server had.",
        chart: "",
    },
    Page {
        scenario: "commits",
        title: "Commits",
        about: "Of 200 rows as fast as they go, merges, sealing of hours and checkpoints on; by tenths of the run; delta-rs' own path beside.",
        chart: "commits.svg",
    },
    Page {
        scenario: "decode",
        title: "Decoder",
        about: "Events in memory, four of six columns.",
        chart: "decode.svg",
    },
];
