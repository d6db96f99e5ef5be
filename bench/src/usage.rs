//! What processes took, as the operating system counts it: processor time and resident memory, of one process or of a tree.
//!
//! What is hard about a tree is that its processes end and take their figures along, and that not each is waited for by another. So a
//! tree is looked at every 50 ms, and each process keeps what was last seen of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const LOOK: Duration = Duration::from_millis(50);
/// New processes are looked for once in so many looks.
const SEARCH: usize = 5;

/// Of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: u32,
    /// User and system.
    ticks: u64,
    /// When it started: with the id, which process it is.
    started: u64,
    pages: u64,
}

impl Stat {
    fn parse(stat: &str) -> Option<Self> {
        // the name may have spaces and brackets of its own
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(1)?).ok()?,
            ticks: number(11)? + number(12)?,
            started: number(19)?,
            pages: number(21)?,
        })
    }

    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

fn seconds(ticks: u64) -> f64 {
    // SAFETY: sysconf has no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    ticks as f64 / per_second as f64
}

fn mib(pages: u64) -> f64 {
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages as f64 * page as f64 / f64::from(1 << 20)
}

/// Seconds of processor time of one process so far; 0 where it is gone.
pub fn cpu_s(pid: u32) -> f64 {
    let mut clock = 0;
    // SAFETY: the clock's number is written to a place of ours that lives as long as the call.
    let known = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) } == 0;
    // who has ended, and is not waited for yet, has its ticks alone
    let exact = known.then(|| read_clock(clock)).flatten();
    exact
        .or_else(|| Stat::of(pid).map(|stat| seconds(stat.ticks)))
        .unwrap_or(0.0)
}

/// The same of this process.
pub fn own_cpu_s() -> f64 {
    read_clock(libc::CLOCK_PROCESS_CPUTIME_ID).unwrap_or(0.0)
}

fn read_clock(clock: libc::clockid_t) -> Option<f64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time is written to a place of ours that lives as long as the call.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    read.then_some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

#[derive(Debug)]
struct Tree {
    root: u32,
    /// Ticks last seen, by id and start.
    seen: BTreeMap<(u32, u64), u64>,
    peak_pages: u64,
    looks: usize,
}

impl Tree {
    fn look(&mut self) {
        if self.looks.is_multiple_of(SEARCH) {
            for pid in descendants(self.root, &parents()) {
                if let Some(stat) = Stat::of(pid) {
                    self.seen.entry((pid, stat.started)).or_insert(stat.ticks);
                }
            }
        }
        self.looks += 1;
        let mut pages = 0;
        for ((pid, started), ticks) in &mut self.seen {
            if let Some(stat) = Stat::of(*pid).filter(|stat| stat.started == *started) {
                *ticks = stat.ticks;
                pages += stat.pages;
            }
        }
        self.peak_pages = self.peak_pages.max(pages);
    }
}

/// The parent of every process.
fn parents() -> BTreeMap<u32, u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, Stat::of(pid)?.parent)))
        .collect()
}

/// A process and all that come from it.
fn descendants(root: u32, parents: &BTreeMap<u32, u32>) -> BTreeSet<u32> {
    let mut tree = BTreeSet::from([root]);
    loop {
        let more = parents.iter().filter(|(_, parent)| tree.contains(parent));
        let more: Vec<u32> = more
            .map(|(pid, _)| *pid)
            .filter(|pid| !tree.contains(pid))
            .collect();
        if more.is_empty() {
            return tree;
        }
        tree.extend(more);
    }
}

/// A process tree that is looked at until this is dropped.
#[derive(Debug)]
pub struct Watch {
    tree: Arc<Mutex<Tree>>,
    over: Arc<AtomicBool>,
}

impl Watch {
    /// Begins with a process and what comes from it.
    pub fn start(root: u32) -> Self {
        let tree = Arc::new(Mutex::new(Tree {
            root,
            seen: BTreeMap::new(),
            peak_pages: 0,
            looks: 0,
        }));
        let over = Arc::new(AtomicBool::new(false));
        let (looked_at, stop) = (Arc::clone(&tree), Arc::clone(&over));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                looked_at
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .look();
                thread::sleep(LOOK);
            }
        });
        Self { tree, over }
    }

    /// Seconds of processor time of all of it so far.
    pub fn cpu_s(&self) -> f64 {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        tree.look();
        seconds(tree.seen.values().sum())
    }

    /// Most that was resident at once.
    pub fn peak_mib(&self) -> f64 {
        mib(self
            .tree
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .peak_pages)
    }

    /// SIGKILL to what is left of it.
    pub fn kill(&self) {
        let tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        for (pid, started) in tree.seen.keys() {
            if Stat::of(*pid).is_some_and(|stat| stat.started == *started) {
                // SAFETY: the process is one of the tree: id and start are what they were.
                unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
