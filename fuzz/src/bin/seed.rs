//! Writes the seeds of every target into `corpus/<target>/`.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, seeds) in podwright_fuzz::seeds::of_the_cases(&here.join("..")) {
        let folder = here.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("case-{number:03}")), seed)?;
        }
    }
    Ok(())
}
