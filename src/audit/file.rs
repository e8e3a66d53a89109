//! A file of lines that makes place for a new one when it is full.
//!
//! Crates that rotate write on into a file that somebody has moved away, and drop lines without a word while there is
//! none to write to.

use std::borrow::Cow;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// Who may read it besides the process: its group, in a Pod the `fsGroup` that a log shipper shares.
const MODE: u32 = 0o640;

/// Where lines go, and how much of them is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The file that is written. Older ones have `.1`, `.2` and so on behind it, the oldest the highest.
    pub path: PathBuf,
    /// A line that would make the file larger, in bytes, goes into a new one.
    pub max_size: u64,
    /// How many files there are at most, the one that is written among them.
    pub max_files: NonZeroUsize,
}

/// A file of lines. It is looked for anew with every line: whoever rotates it too may move, truncate or delete it.
#[derive(Debug)]
pub(super) struct File {
    rotation: Rotation,
    open: Option<fs::File>,
    /// Whether what was written last is not a whole line.
    is_torn: bool,
}

impl File {
    pub(super) fn new(rotation: Rotation) -> Self {
        Self { rotation, open: None, is_torn: false }
    }

    /// Sees to it that a line of this length has a file with room for it. Where that fails a line may still be
    /// written: rather a file that is too large than a line that is lost.
    pub(super) fn make_room(&mut self, line: usize) -> io::Result<()> {
        let file = match self.open.take().filter(|file| self.is_in_place(file)) {
            Some(file) => file,
            None => self.open()?,
        };
        // A pipe or a device has no size, and stays what it is.
        let size = regular(&file.metadata()?).map_or(0, Metadata::len);
        if size > 0 && size.saturating_add(line as u64) > self.rotation.max_size {
            // It is written on if that fails.
            self.open = Some(file);
            self.rotate()?;
            self.open = Some(self.open()?);
        } else {
            self.open = Some(file);
        }
        Ok(())
    }

    /// Writes a line as a whole.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.open()?,
        };
        let before = regular(&file.metadata()?).map(Metadata::len);
        let line = if self.is_torn { Cow::Owned([b"\n", line].concat()) } else { Cow::Borrowed(line) };
        if let Err(error) = file.write_all(&line) {
            // A part of it must not stay, nor run into the next line.
            self.is_torn = before.is_none_or(|before| file.set_len(before).is_err());
            return Err(error);
        }
        self.is_torn = false;
        self.open = Some(file);
        Ok(())
    }

    fn is_in_place(&self, file: &fs::File) -> bool {
        let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
        match (fs::metadata(&self.rotation.path), file.metadata()) {
            (Ok(there), Ok(ours)) => id(there) == id(ours),
            _ => false,
        }
    }

    fn open(&mut self) -> io::Result<fs::File> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(MODE).open(&self.rotation.path)?;
        let size = regular(&file.metadata()?).map(Metadata::len);
        if let Some(size) = size {
            // The last process may have ended within a line.
            self.is_torn = size > 0 && last_byte(&mut file)? != b'\n';
        }
        Ok(file)
    }

    /// Moves every file one number up, and the oldest out.
    fn rotate(&self) -> io::Result<()> {
        let Rotation { path, max_files, .. } = &self.rotation;
        let kept = max_files.get() - 1;
        if kept == 0 {
            return fs::remove_file(path);
        }
        let numbered = |number: usize| {
            let mut name = path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        // What an attempt has moved that failed later is not moved again: it leaves a gap.
        let end = (1..kept).find(|number| !numbered(*number).exists()).unwrap_or(kept);
        for number in (1..end).rev() {
            fs::rename(numbered(number), numbered(number + 1))?;
        }
        fs::rename(path, numbered(1))
    }
}

fn regular(metadata: &Metadata) -> Option<&Metadata> {
    metadata.is_file().then_some(metadata)
}

fn last_byte(file: &mut fs::File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    let [byte] = byte;
    Ok(byte)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A file of at most this many bytes, and at most this many files.
    fn file(folder: &TempDir, max_size: u64, max_files: usize) -> File {
        let max_files = NonZeroUsize::new(max_files).unwrap();
        File::new(Rotation { path: folder.path().join("audit.log"), max_size, max_files })
    }

    /// Writes lines of ten bytes.
    fn write(file: &mut File, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            let line = format!("line {number:04}\n");
            file.make_room(line.len()).unwrap();
            file.write(line.as_bytes()).unwrap();
        }
    }

    fn lines(numbers: impl IntoIterator<Item = u32>) -> String {
        numbers.into_iter().map(|number| format!("line {number:04}\n")).collect()
    }

    fn read(folder: &TempDir, name: &str) -> String {
        fs::read_to_string(folder.path().join(name)).unwrap()
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn full_files_make_place_and_the_oldest_goes() {
        let folder = TempDir::new().unwrap();
        let mut file = file(&folder, 35, 3);
        write(&mut file, 0..10);
        assert_eq!(names(&folder), ["audit.log", "audit.log.1", "audit.log.2"]);
        assert_eq!(read(&folder, "audit.log.2"), lines(3..6));
        assert_eq!(read(&folder, "audit.log.1"), lines(6..9));
        assert_eq!(read(&folder, "audit.log"), lines(9..10));
        let mode = fs::metadata(folder.path().join("audit.log")).unwrap().mode();
        assert_eq!(mode & 0o777 & !MODE, 0, "{mode:o}");
    }

    #[test]
    fn a_file_goes_on_where_the_last_process_ended() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("audit.log"), lines(0..2) + "half a li").unwrap();
        write(&mut file(&folder, 100, 2), 2..4);
        assert_eq!(read(&folder, "audit.log"), lines(0..2) + "half a li\n" + &lines(2..4));
        write(&mut file(&folder, 50, 2), 4..5);
        assert_eq!(read(&folder, "audit.log"), lines(4..5));
    }

    #[test]
    fn a_line_longer_than_a_file_has_one_to_itself() {
        let folder = TempDir::new().unwrap();
        write(&mut file(&folder, 5, 4), 0..3);
        assert_eq!(
            ["audit.log.2", "audit.log.1", "audit.log"].map(|name| read(&folder, name)),
            [lines(0..1), lines(1..2), lines(2..3)]
        );
    }

    #[test]
    fn a_single_file_begins_anew() {
        let folder = TempDir::new().unwrap();
        write(&mut file(&folder, 20, 1), 0..5);
        assert_eq!((names(&folder), read(&folder, "audit.log")), (vec!["audit.log".to_owned()], lines(4..5)));
    }

    #[test]
    fn whoever_else_moves_deletes_or_empties_the_file_is_followed() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("audit.log");
        let mut file = file(&folder, 30, 3);
        write(&mut file, 0..2);
        fs::rename(&path, folder.path().join("moved")).unwrap();
        write(&mut file, 2..4);
        assert_eq!((read(&folder, "moved"), read(&folder, "audit.log")), (lines(0..2), lines(2..4)));
        fs::remove_file(&path).unwrap();
        write(&mut file, 4..6);
        assert_eq!(read(&folder, "audit.log"), lines(4..6));
        fs::write(&path, "").unwrap();
        write(&mut file, 6..9);
        assert_eq!(read(&folder, "audit.log"), lines(6..9));
        assert_eq!(names(&folder), ["audit.log", "moved"]);
    }

    #[test]
    fn a_file_that_cannot_be_moved_is_written_on_and_no_older_one_pushed_out() {
        let folder = TempDir::new().unwrap();
        let mut two = file(&folder, 20, 2);
        write(&mut two, 0..2);
        // A file cannot take the place of a folder.
        fs::create_dir(folder.path().join("audit.log.1")).unwrap();
        for number in 2..4 {
            let line = lines([number]);
            assert!(two.make_room(line.len()).is_err());
            two.write(line.as_bytes()).unwrap();
        }
        assert_eq!(read(&folder, "audit.log"), lines(0..4));

        fs::remove_dir(folder.path().join("audit.log.1")).unwrap();
        fs::write(folder.path().join("audit.log.1"), lines(90..91)).unwrap();
        fs::create_dir(folder.path().join("audit.log.2")).unwrap();
        let mut three = file(&folder, 20, 3);
        assert!(three.make_room(10).is_err());
        assert!(three.make_room(10).is_err());
        assert_eq!((read(&folder, "audit.log"), read(&folder, "audit.log.1")), (lines(0..4), lines(90..91)));
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_until_it_is_back() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("logs");
        fs::create_dir(&path).unwrap();
        let rotation = Rotation { path: path.join("audit.log"), max_size: 100, max_files: NonZeroUsize::MIN };
        let mut file = File::new(rotation);
        write(&mut file, 0..1);
        fs::remove_dir_all(&path).unwrap();
        for _ in 0..2 {
            assert_eq!(file.make_room(10).unwrap_err().kind(), io::ErrorKind::NotFound);
            assert_eq!(file.write(b"lost\n").unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        fs::create_dir(&path).unwrap();
        write(&mut file, 1..2);
        assert_eq!(read(&folder, "logs/audit.log"), lines(1..2));
    }

    #[test]
    fn a_device_is_written_to_and_never_moved() {
        let folder = TempDir::new().unwrap();
        // Links, so that it would be these that are moved.
        std::os::unix::fs::symlink("/dev/full", folder.path().join("audit.log")).unwrap();
        let mut full = file(&folder, 1, 1);
        for _ in 0..2 {
            full.make_room(10).unwrap();
            assert_eq!(full.write(b"lost\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        fs::remove_file(folder.path().join("audit.log")).unwrap();
        std::os::unix::fs::symlink("/dev/null", folder.path().join("audit.log")).unwrap();
        write(&mut file(&folder, 1, 1), 0..3);
        assert!(folder.path().join("audit.log").is_symlink());
    }
}
