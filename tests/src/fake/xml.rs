//! Just enough XML to refuse what a real parser would refuse: elements, attributes unread, the
//! five entities and character references. No comments, no CDATA.

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// As written, with its prefix.
    pub(super) name: String,
    /// What is between the angle brackets after the name.
    pub(super) attributes: String,
    /// The text in it, unescaped, without that of its children.
    pub(super) text: String,
    /// In order.
    pub(super) children: Vec<Self>,
}

/// The root of a document; `None` if it is not well-formed.
pub(super) fn parse(document: &str) -> Option<Element> {
    let document = document.trim();
    let rest = match document.strip_prefix("<?xml ") {
        Some(prolog) => prolog.split_once("?>")?.1,
        None => document,
    };
    let (root, rest) = element(rest.trim_start())?;
    rest.is_empty().then_some(root)
}

/// The element the text begins with, and what comes after it.
fn element(text: &str) -> Option<(Element, &str)> {
    let (tag, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    let empty = tag.ends_with('/');
    let tag = tag.trim_end_matches('/');
    let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
    let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b":_-.".contains(&b);
    if name.is_empty() || !name.bytes().all(is_name_byte) {
        return None;
    }
    let (name, attributes) = (name.to_owned(), attributes.to_owned());
    let mut read = Element { name, attributes, text: String::new(), children: Vec::new() };
    if empty {
        return Some((read, rest));
    }
    loop {
        let at = rest.find('<')?;
        read.text += &unescape(&rest[..at])?;
        rest = &rest[at..];
        if let Some(end) = rest.strip_prefix("</") {
            let (name, after) = end.split_once('>')?;
            return (name == read.name).then_some((read, after));
        }
        let (child, after) = element(rest)?;
        read.children.push(child);
        rest = after;
    }
}

fn unescape(text: &str) -> Option<String> {
    let allowed = |c: char| c >= ' ' || c == '\n' || c == '\t' || c == '\r';
    if !text.chars().all(allowed) || text.contains('>') {
        return None;
    }
    let mut parts = text.split('&');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (entity, after) = part.split_once(';')?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => char::from_u32(entity.strip_prefix('#')?.parse().ok()?)?,
        });
        plain += after;
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_elements_and_refuses_what_is_no_xml() {
        let root = parse("<?xml version='1.0'?><a x='1'><b>1 &lt;&#13;</b><c/></a>").unwrap();
        assert_eq!((&*root.name, &*root.attributes), ("a", "x='1'"));
        let children: Vec<_> = root.children.iter().map(|c| (&*c.name, &*c.text)).collect();
        assert_eq!(children, [("b", "1 <\r"), ("c", "")]);
        for bad in ["", "a", "<a>", "<a></b>", "<a>&</a>", "<a>&x;</a>", "<a/><b/>", "<a>\u{1}</a>"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
