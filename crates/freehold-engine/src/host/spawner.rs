//! Starts worker processes from one thread that lives as long as they may.
//!
//! A worker asks the kernel to be killed with its parent, and the kernel means the *thread* that started it. Threads of
//! an async runtime may end at any time; this one ends with the engine.

use std::ffi::OsStr;
use std::io;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError, mpsc};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::host::WorkerCommand;

/// The beginnings of the names of what a worker gets of the environment: how its libraries are found and set up, and nothing
/// that a key or a token could stand in.
const ENVIRONMENT: [&str; 17] = [
    "CUDA_",
    "GGML_",
    "GOMP_",
    "HIP_",
    "HSA_",
    "KMP_",
    "LANG",
    "LC_",
    "LD_LIBRARY_PATH",
    "LLVM_PROFILE_FILE",
    "MALLOC_",
    "MIMALLOC_",
    "NVIDIA_",
    "OMP_",
    "PATH",
    "ROCR_",
    "RUST_BACKTRACE",
];

struct Job {
    worker: WorkerCommand,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// The thread that starts workers; it starts itself when first needed.
#[derive(Default)]
pub(crate) struct Spawner {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
}

impl Spawner {
    /// Starts a worker with piped input and output; it is killed when its handle is dropped.
    pub(crate) async fn spawn(&self, worker: &WorkerCommand) -> io::Result<Child> {
        let (reply, started) = oneshot::channel();
        let job = Job { worker: worker.clone(), runtime: Handle::current(), reply };
        self.send(job)?;
        started.await.map_err(|_| io::Error::other("the thread that starts workers has ended"))?
    }

    fn send(&self, job: Job) -> io::Result<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*jobs {
            Some(sender) => sender,
            None => {
                let (sender, receiver) = mpsc::channel();
                std::thread::Builder::new().name("freehold-spawner".to_owned()).spawn(move || serve(&receiver))?;
                jobs.insert(sender)
            }
        };
        sender.send(job).map_err(|_| io::Error::other("the thread that starts workers has ended"))
    }
}

fn is_for_workers(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| ENVIRONMENT.iter().any(|start| name.starts_with(start)))
}

fn serve(jobs: &mpsc::Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        let runtime = job.runtime.enter();
        let child = Command::new(&job.worker.program)
            .args(&job.worker.args)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| is_for_workers(name)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            // A Ctrl-C on the terminal is for the host, which lets calls end first.
            .process_group(0)
            .spawn();
        drop(runtime);
        // If nobody waits any more, dropping the child kills it.
        job.reply.send(child).ok();
    }
}
