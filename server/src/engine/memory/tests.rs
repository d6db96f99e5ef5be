//! What is removed from the scratch folder.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn what_a_killed_process_left_goes_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("scratch");
    let killed = RuntimeEnvBuilder::new();
    fs::create_dir(&folder).unwrap();
    let killed = killed.with_temp_file_path(&folder).build().unwrap();
    // Whatever the disk manager calls its folder, it is known as one of its own.
    killed.disk_manager.create_tmp_file("a test").unwrap();
    std::mem::forget(killed);
    fs::write(folder.join("mine"), "").unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    tidied(&folder).unwrap();
    let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert!(folder.join("mine").exists());
}
