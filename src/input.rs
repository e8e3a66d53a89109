//! Files and streams, read up to a size: a path can lead to what never ends, such as a device or a pipe.

pub mod watch;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use bytesize::ByteSize;

/// Reads all of a file that has at most so many bytes.
///
/// # Errors
/// When it cannot be read, or has more.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // Where there is a size it saves the reading.
    if file.metadata()?.len() > most {
        return Err(too_large(most));
    }
    read_all(file, most)
}

/// Reads all of a text that has at most so many bytes.
///
/// # Errors
/// When it cannot be read, has more, or is no UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    // The words of the standard library, which says it so for files.
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

/// Reads all that comes, if that has at most so many bytes.
///
/// # Errors
/// When it cannot be read, or has more.
pub fn read_all(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large(most)) } else { Ok(bytes) }
}

fn too_large(most: u64) -> io::Error {
    let message = format!("expected at most {}, found more", ByteSize(most).display().iec());
    io::Error::new(ErrorKind::FileTooLarge, message)
}

#[cfg(test)]
mod tests {
    use std::io::repeat;

    use super::*;

    #[test]
    fn what_never_ends_is_not_read_to_its_end() {
        assert_eq!(read_all(&b"abc"[..], 3).unwrap(), b"abc");
        assert_eq!(read_all(repeat(0), 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        let error = read(Path::new("/dev/zero"), 1024 * 1024).unwrap_err();
        assert_eq!(error.to_string(), "expected at most 1.0 MiB, found more");
    }
}
