//! QR codes as SVG that stands in the page: nothing to load, and no style.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// The quiet zone around a code that readers need, in modules.
const BORDER: i32 = 4;

pub(crate) struct Code {
    /// The side with the border, in modules.
    pub(crate) side: i32,
    /// The path of the dark modules.
    pub(crate) path: String,
}

impl Code {
    /// None where the text is longer than a code can hold.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let run = (x..code.size()).take_while(|at| code.get_module(*at, y)).count() as i32;
                if run > 0 {
                    // Writing into a String does not fail.
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + BORDER, y + BORDER);
                }
                x += run + 1;
            }
        }
        Some(Self { side: code.size() + 2 * BORDER, path })
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    /// Paints the path into a grid again.
    fn modules(code: &Code) -> Vec<Vec<bool>> {
        let side = code.side as usize;
        let mut grid = vec![vec![false; side]; side];
        for run in code.path.split('M').filter(|run| !run.is_empty()) {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let (run, _) = rest.split_once('v').unwrap();
            let [x, y, run] = [x, y, run].map(|number| number.parse::<usize>().unwrap());
            grid[y][x..x + run].fill(true);
        }
        grid
    }

    #[test]
    fn the_path_is_the_code_with_its_quiet_zone() {
        let text = "otpauth://totp/Riverside:maria?secret=JBSWY3DPEHPK3PXP&issuer=Riverside";
        let code = Code::new(text).unwrap();
        let expected = qrcodegen::QrCode::encode_text(text, qrcodegen::QrCodeEcc::Medium).unwrap();
        let grid = modules(&code);
        for (y, row) in grid.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                assert_eq!(*dark, expected.get_module(x as i32 - 4, y as i32 - 4), "{x} {y}");
            }
        }
        assert!(Code::new(&"x".repeat(5000)).is_none());
    }
}
