//! Symbolic links that lead out of a folder.

use std::collections::VecDeque;

/// The treatment of symbolic links that lead out of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// They are left out and reported.
    #[default]
    Inside,
    /// They are copied unchanged.
    Keep,
}

/// A symbolic link in the path of another one.
pub(crate) enum Through {
    /// A link with this target.
    To(String),
    /// A link that leads out.
    Out,
}

/// Symbolic links followed before resolution is given up, as on Linux.
const MOST_FOLLOWED: u32 = 40;
/// Path components examined for one link.
const MOST_PARTS: u32 = 4096;

/// Whether the link at `path` may lead out of the folder that `path` is relative to. `link` returns the link at a path,
/// if there is one.
///
/// A `..` after a name counts as leading out, whatever it resolves to today, because the name could become another link
/// tomorrow. So links that are inside stay inside, whatever is created, moved or removed later.
pub(crate) fn leads_out(path: &str, target: &str, link: &mut dyn FnMut(&str) -> Option<Through>) -> bool {
    if may_climb(path, target) {
        return true;
    }
    let mut place: Vec<String> = folder_of(path).map(str::to_owned).collect();
    let mut rest: VecDeque<String> = target.split('/').map(str::to_owned).collect();
    let (mut followed, mut parts) = (0, 0);
    while let Some(part) = rest.pop_front() {
        parts += 1;
        if parts > MOST_PARTS {
            return true;
        }
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                place.pop();
                continue;
            }
            _ => place.push(part),
        }
        let here = place.join("/");
        match link(&here) {
            None => {}
            Some(Through::Out) => return true,
            Some(Through::To(next)) => {
                followed += 1;
                if followed > MOST_FOLLOWED {
                    // A path through such a link cannot be resolved.
                    return false;
                }
                if may_climb(&here, &next) {
                    return true;
                }
                place.pop();
                for part in next.rsplit('/') {
                    rest.push_front(part.to_owned());
                }
            }
        }
    }
    false
}

fn folder_of(path: &str) -> impl Iterator<Item = &str> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.split('/').filter(|part| !part.is_empty())
}

/// Whether `target` is absolute, goes up further than the folder is deep, or goes up after a name.
fn may_climb(path: &str, target: &str) -> bool {
    let mut depth = folder_of(path).count();
    let mut named = false;
    target.starts_with('/')
        || target.split('/').any(|part| match part {
            "" | "." => false,
            ".." if named || depth == 0 => true,
            ".." => {
                depth -= 1;
                false
            }
            _ => {
                named = true;
                false
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_inside_for_good_is_inside() {
        let mut links = |path: &str| match path {
            "out" => Some(Through::Out),
            "sub/in" => Some(Through::To("../keep".to_owned())),
            "to-out" => Some(Through::To("sub/../out".to_owned())),
            "via" => Some(Through::To("sub/in".to_owned())),
            "loop" => Some(Through::To("loop".to_owned())),
            "through" => Some(Through::To("out/more".to_owned())),
            _ => None,
        };
        for (path, target) in [
            ("a", "b"),
            ("a", "./b//c/"),
            ("a", "sub/in/x"),
            ("a", "via"),
            ("a/b", "../c"),
            ("a/b/c", "../../keep"),
            ("a", "nothing/at/all"),
            ("a", "loop"),
            ("a", "..."),
            ("a", "b..c"),
        ] {
            assert!(!leads_out(path, target, &mut links), "{path} -> {target}");
        }
        for (path, target) in [
            ("a", "/etc/passwd"),
            ("a", "//etc"),
            ("a", ".."),
            ("a", "../outside"),
            ("a", "./../outside"),
            ("a/b", "../../outside"),
            ("a/b", "d/../../y"),
            ("a", "sub/../keep"),
            ("a", "out"),
            ("a", "out/passwd"),
            ("a/b", "../out"),
            ("a", "through"),
            ("a", "to-out"),
        ] {
            assert!(leads_out(path, target, &mut links), "{path} -> {target}");
        }
    }
}
