//! A new home on a full disk: a small one, mounted for a child of the test alone.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::running::Up;

const CHILD_DISK: &str = "FREEHOLD_TEST_SMALL_DISK";
const MOUNT: &str = "mount -t tmpfs -o size=1m none \"$0\" && echo mounted >&2 && exec \"$@\"";
const CONFIGURED: &str = "[[upstream]]\nname = \"one\"\nbase_url = \"http://127.0.0.1:9\"\napis = [\"openai.chat\"]\n";
const CALL: &str = r#"{"id":"a","api":"openai.chat","step":"triage","request":{"model":"m","messages":[{"role":"user","content":"hi"}]},"response":{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}"#;

#[test]
fn new_home_on_a_full_disk_says_how_much_room_it_takes_and_works_once_there_is() {
    if let Some(disk) = std::env::var_os(CHILD_DISK) {
        return on_a_full_disk(Path::new(&disk));
    }
    let disk = tempfile::tempdir().unwrap();
    let child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", MOUNT])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "no_room::new_home_on_a_full_disk_says_how_much_room_it_takes_and_works_once_there_is"])
        .arg("--nocapture")
        .env(CHILD_DISK, disk.path())
        .output();
    let said = child.as_ref().map_or_else(ToString::to_string, |child| String::from_utf8_lossy(&child.stderr).into());
    match child {
        Ok(child) if said.contains("mounted") => assert!(child.status.success(), "{said}"),
        _ => eprintln!("skipped: no small disk can be mounted here: {said}"),
    }
}

/// Returns the binary with a home that is not there yet, in a folder that is configured.
fn freehold(work: &Path, home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
    command.env_remove("FREEHOLD_HOME").env_remove("FREEHOLD_CONFIG").env("NO_COLOR", "1");
    command.arg("--home").arg(home).current_dir(work);
    command
}

fn on_a_full_disk(disk: &Path) {
    let work = tempfile::tempdir().unwrap();
    let home = disk.join("home");
    std::fs::write(work.path().join("freehold.toml"), CONFIGURED).unwrap();
    std::fs::write(work.path().join("calls.jsonl"), CALL).unwrap();
    let mut filler = File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let full = filler.metadata().unwrap().len();
    let commands: [&[&str]; 4] = [
        &["up", "--listen", "127.0.0.1:0"],
        &["import", "calls.jsonl"],
        &["assess", "triage", "--candidate", "one/m"],
        &["keys", "add", "ci"],
    ];
    // Full to the last byte, and too full at different places of a start.
    for free_kib in [0, 64, 256] {
        filler.set_len(full - free_kib * 1024).unwrap();
        for arguments in commands {
            let ran = freehold(work.path(), &home).args(arguments).output().unwrap();
            let told = String::from_utf8(ran.stderr).unwrap();
            assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(2), &b""[..]), "{arguments:?}: {told}");
            let first = format!("error: the disk of {} is full: ", home.display());
            let free = told
                .strip_prefix(&first)
                .and_then(|rest| rest.split_once(" bytes are free, and a new store takes 524288\n"));
            // A part of the store may have been written.
            let free: u64 = free.unwrap_or_else(|| panic!("{told}")).0.parse().unwrap();
            assert!(free <= free_kib * 1024 && free.is_multiple_of(4096), "{told}");
            assert!(told.contains(&format!("next: make {} KiB more room on it, or name", 512 - free / 1024)), "{told}");
            std::fs::remove_dir_all(&home).unwrap();
        }
    }
    // What a failed start leaves behind is in nobody's way.
    let failed = freehold(work.path(), &home).args(commands[0]).output().unwrap();
    assert_eq!(failed.status.code(), Some(2));
    filler.set_len(0).unwrap();
    let ran = freehold(work.path(), &home).args(commands[1]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Up::start_as(&mut freehold(work.path(), &home), work.path(), CONFIGURED).stop();
    let steps = freehold(work.path(), &home).args(["steps", "--json"]).output().unwrap();
    assert!(String::from_utf8(steps.stdout).unwrap().contains("\"triage\""));
}
