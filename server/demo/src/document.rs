//! Documents that a person can open: text, HTML and PDF, small and without anything that a viewer must fetch.

use std::fmt::Write as _;

/// The media type of pictures.
pub(crate) const DRAWING: &str = "image/svg+xml";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Html,
    Pdf,
}

impl Format {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain",
            Format::Html => "text/html",
            Format::Pdf => "application/pdf",
        }
    }

    /// A title, and paragraphs.
    pub(crate) fn write(self, title: &str, paragraphs: &[&str]) -> Vec<u8> {
        match self {
            Format::Text => format!("{title}\n\n{}\n", paragraphs.join("\n\n")).into_bytes(),
            Format::Html => html(title, paragraphs).into_bytes(),
            Format::Pdf => pdf(title, paragraphs),
        }
    }
}

fn html(title: &str, paragraphs: &[&str]) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let paragraphs: String = paragraphs.iter().map(|text| format!("<p>{}</p>\n", escaped(text))).collect();
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n{paragraphs}</body>\n</html>\n"
    )
}

/// One page in Helvetica, one of the fonts that every viewer has (ISO 32000-1, 9.6.2.2).
fn pdf(title: &str, paragraphs: &[&str]) -> Vec<u8> {
    let mut page = String::from("BT\n/F1 16 Tf\n72 720 Td\n");
    let _ = writeln!(page, "({}) Tj\n/F1 11 Tf", literal(title));
    for paragraph in paragraphs {
        let _ = writeln!(page, "0 -12 Td");
        for line in wrapped(paragraph) {
            let _ = writeln!(page, "0 -15 Td\n({}) Tj", literal(&line));
        }
    }
    page.push_str("ET\n");
    let page = latin1(&page);

    let mut stream = format!("<< /Length {} >>\nstream\n", page.len()).into_bytes();
    stream.extend(page);
    stream.extend(b"endstream");
    let objects: [Vec<u8>; 5] = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R \
          /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_vec(),
        stream,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        file.extend(format!("{} 0 obj\n", index + 1).into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    file.extend(table.into_bytes());
    let size = objects.len() + 1;
    file.extend(format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").into_bytes());
    file
}

/// A string of a PDF escapes its brackets.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)")
}

/// The font's encoding is Latin for all that is written here.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect()
}

fn wrapped(paragraph: &str) -> Vec<String> {
    const WIDTH: usize = 84;
    let mut lines = vec![String::new()];
    for word in paragraph.split(' ') {
        let line = lines.len() - 1;
        if lines[line].is_empty() {
            lines[line].push_str(word);
        } else if lines[line].chars().count() + 1 + word.chars().count() <= WIDTH {
            lines[line].push(' ');
            lines[line].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets of the cross-reference table lead to the objects they name, or a viewer says that the file is damaged.
    #[test]
    fn the_table_of_a_pdf_leads_to_its_objects() {
        let file = Format::Pdf.write("Report (draft)", &["Größe: 5 cm.", &"words ".repeat(60)]);
        let at = |offset: usize, text: &[u8]| file[offset..].starts_with(text);
        let text: String = file.iter().map(|byte| char::from(*byte)).collect();
        let start: usize = text.lines().rev().nth(1).unwrap().parse().unwrap();
        assert!(at(start, b"xref\n0 6\n"));
        let table = String::from_utf8_lossy(&file[start..]);
        let entries: Vec<&str> = table.lines().skip(3).take(5).collect();
        for (index, entry) in entries.iter().enumerate() {
            let offset: usize = entry[..10].parse().unwrap();
            assert!(at(offset, format!("{} 0 obj\n", index + 1).as_bytes()), "{entry}");
        }
        assert!(text.contains("(Report \\(draft\\)) Tj"));
    }

    #[test]
    fn html_shows_what_it_is_given() {
        let page = String::from_utf8(Format::Html.write("A & B", &["EF < 40 %"])).unwrap();
        assert!(page.contains("<h1>A &amp; B</h1>") && page.contains("<p>EF &lt; 40 %</p>"));
    }
}
