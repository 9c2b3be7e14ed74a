//! A small disk of its own.

use super::helpers::eventually;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The size in bytes.
const SIZE: u64 = 8 << 20;

/// The kind of disk.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// In memory.
    Tmpfs,
    /// An ext4 file system in a file; after an error it is read-only.
    Ext4,
}

/// Mounted until it is dropped, also after a failed test.
pub struct Volume {
    path: PathBuf,
    is_mounted: bool,
    folder: TempDir,
}

impl Volume {
    pub fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mounted");
        fs::create_dir(&path).expect("a folder");
        let mut volume = Self { path, is_mounted: false, folder };
        match kind {
            Kind::Tmpfs => volume.mount(&["-t", "tmpfs", "-o", &format!("size={SIZE},mode=755"), "keystead-test"]),
            Kind::Ext4 => {
                let image = volume.folder.path().join("image");
                File::create(&image).and_then(|file| file.set_len(SIZE)).expect("an image");
                let mut make = Command::new("mkfs.ext4");
                succeed(make.args(["-q", "-F", "-m", "0"]).arg(&image).env("PATH", system_path()));
                let image = image.to_str().expect("a path").to_owned();
                volume.mount(&["-o", "loop,errors=remount-ro", &image]);
            }
        }
        volume
    }

    fn mount(&mut self, arguments: &[&str]) {
        succeed(Command::new("mount").args(arguments).arg(&self.path));
        self.is_mounted = true;
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills the disk.
    pub fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            while ballast.write_all(&vec![b'x'; size]).is_ok() {}
        }
        _ = ballast.sync_all();
    }

    /// Frees the room.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("the ballast goes");
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Makes the kernel find an error in the file system, which is read-only afterwards.
    pub fn fail(&self) {
        let mounts = fs::read_to_string("/proc/mounts").expect("the mounts");
        let path = self.path.to_str().expect("a path");
        let mount = mounts.lines().find(|line| line.split(' ').nth(1) == Some(path)).expect("the mount");
        let device = mount.split(' ').next().and_then(|device| device.strip_prefix("/dev/")).expect("a device");
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "a test").expect("an error");
        eventually(Duration::from_secs(10), || File::create(self.path.join("probe")).is_err());
    }

    /// Unmounts it while it is in use.
    pub fn detach(&mut self) {
        succeed(Command::new("umount").arg("--lazy").arg(&self.path));
        self.is_mounted = false;
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.is_mounted {
            _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
        }
    }
}

/// Debian installs programs for root outside of other users' path.
fn system_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

#[track_caller]
fn succeed(command: &mut Command) {
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
