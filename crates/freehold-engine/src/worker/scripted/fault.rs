//! What a scripted model does wrong on purpose: what a damaged or a hostile model might do to its process.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, kill_process};

use crate::script::{Fault, Misdeed};

/// Commits a fault; returns what came of it where it comes back.
pub(super) fn commit(fault: &Fault) -> String {
    match fault {
        Fault::Hang => loop {
            std::thread::park();
        },
        Fault::Hoard => hoard(),
        Fault::Try(misdeed) => match attempt(misdeed) {
            Ok(()) => "done".to_owned(),
            Err(why) => format!("refused: {why}"),
        },
    }
}

/// Takes memory until there is none, and touches it, so that it is truly taken.
fn hoard() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&taken);
    }
}

fn attempt(misdeed: &Misdeed) -> std::io::Result<()> {
    match misdeed {
        Misdeed::Internet => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop),
        Misdeed::Listen => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop),
        Misdeed::LocalSocket => UnixDatagram::unbound().map(drop),
        Misdeed::Read(path) => fs::read(path).map(drop),
        Misdeed::List(path) => fs::read_dir(path).map(drop),
        Misdeed::Write(path) => fs::write(path, "something").map(drop),
        Misdeed::Append(path) => fs::OpenOptions::new().append(true).open(path).map(drop),
        Misdeed::Remove(path) => fs::remove_file(path),
        Misdeed::Run(path) => Command::new(path).status().map(drop),
        Misdeed::Signal => {
            // One that harms nobody.
            let parent = getppid().unwrap_or(Pid::INIT);
            Ok(kill_process(parent, Signal::CONT)?)
        }
        Misdeed::Thread => std::thread::Builder::new().spawn(|| ()).map(|thread| drop(thread.join())),
    }
}
