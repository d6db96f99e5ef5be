//! Gives back the pages of the program itself that nobody runs any more: starting and planning touch much of a large binary once, the kernel
//! maps sixteen pages around every first touch, and all of them stay resident for as long as there is memory.
//!
//! Nothing is lost: the pages are the binary's own, unchanged, and stay in the kernel's cache; what is run again is mapped again without
//! a read. Measured: see docs/decisions/025-pages-of-the-program.md.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// What runs all the time is mapped anew each time, which costs a millisecond or two.
const EVERY: Duration = Duration::from_secs(10);

/// Gives pages back now and every ten seconds until the server stops.
pub(crate) async fn release_now_and_then(shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        release();
    }
}

/// Gives back the pages of the program that are mapped and not written to: its code and its constants. Says how many bytes of them there
/// are, resident or not.
#[cfg(target_os = "linux")]
fn release() -> usize {
    let mut bytes = 0_usize;
    // SAFETY: the function calls back before it returns, with the pointer given here.
    unsafe { libc::dl_iterate_phdr(Some(release_of), (&raw mut bytes).cast()) };
    bytes
}

/// Elsewhere they stay.
#[cfg(not(target_os = "linux"))]
fn release() -> usize {
    0
}

/// Gives back those of one loaded object. The first one is the program: no other is asked for.
#[cfg(target_os = "linux")]
unsafe extern "C" fn release_of(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    bytes: *mut libc::c_void,
) -> libc::c_int {
    const STOP: libc::c_int = 1;
    // SAFETY: no argument.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Some(page) = usize::try_from(page).ok().filter(|page| *page > 0) else {
        return STOP;
    };
    // SAFETY: the caller gives a description that is valid for the call, and the pointer to a usize that it was given itself.
    let (info, bytes) = unsafe { (&*info, &mut *bytes.cast::<usize>()) };
    // SAFETY: so many headers stand there.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    for header in headers {
        // What may be written to, or was while the program was linked, holds more than the file does.
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = (info.dlpi_addr + header.p_vaddr) as usize;
        let end = start + header.p_memsz as usize;
        // Whole pages only: a neighbour may share the first and the last.
        let (start, end) = (start.next_multiple_of(page), end - end % page);
        if start >= end {
            continue;
        }
        // SAFETY: the range is a private mapping of a file that nobody may write to: what is read after this is read from the same file.
        let failed = unsafe {
            libc::madvise(
                std::ptr::without_provenance_mut(start),
                end - start,
                libc::MADV_DONTNEED,
            )
        } != 0;
        if !failed {
            *bytes += end - start;
        }
    }
    STOP
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    /// Pages of files that are resident, in KiB.
    #[cfg(target_os = "linux")]
    fn of_files() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssFile:"));
        let words = line.unwrap().split_whitespace();
        words.clone().nth(1).unwrap().parse().unwrap()
    }

    /// Others run beside this one and map pages again, but not all that ever ran.
    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_not_run_any_more_is_not_resident() {
        let before = of_files();
        let bytes = super::release();
        let after = of_files();
        assert!(bytes > 1 << 20, "{bytes} bytes of program");
        assert!(after < before, "{before} KiB before, {after} after");
    }
}
