//! A model of a volume, written as simply as possible.

use std::collections::BTreeMap;
use std::sync::Arc;

use capos_volume::Error;

use crate::snapshot::{Seen, Snapshot, What};

const ROOT: u64 = 1;

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Shared among the states of a history.
    File(Arc<Vec<u8>>),
    /// Names in the order in which they were added.
    Directory {
        names: Vec<(String, u64)>,
        parent: u64,
    },
    Symlink(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) body: Body,
    pub(crate) links: u32,
    pub(crate) modified_ns: u64,
}

/// A file system in memory.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) nodes: BTreeMap<u64, Node>,
    next: u64,
    /// Open files, which may have no name.
    pub(crate) open: Vec<u64>,
    pub(crate) now_ns: u64,
}

/// Parent directory, name, and the object there.
type Place = (u64, Option<String>, Option<u64>);

impl Model {
    pub(crate) fn new() -> Self {
        let root =
            Node { body: Body::Directory { names: Vec::new(), parent: ROOT }, links: 2, modified_ns: 0 };
        Self { nodes: BTreeMap::from([(ROOT, root)]), next: 2, open: Vec::new(), now_ns: 0 }
    }

    fn names(&mut self, dir: u64) -> &mut Vec<(String, u64)> {
        match &mut self.nodes.get_mut(&dir).unwrap().body {
            Body::Directory { names, .. } => names,
            _ => panic!("not a directory"),
        }
    }

    pub(crate) fn is_directory(&self, ino: u64) -> bool {
        matches!(self.nodes[&ino].body, Body::Directory { .. })
    }

    fn find(&self, dir: u64, name: &str) -> Option<u64> {
        match &self.nodes[&dir].body {
            Body::Directory { names, .. } => names.iter().find(|(n, _)| n == name).map(|(_, ino)| *ino),
            _ => None,
        }
    }

    pub(crate) fn resolve(&self, path: &str, follow: bool) -> Result<Place, Error> {
        self.resolve_in(vec![ROOT], path, follow, &mut 0)
    }

    /// Resolves `path` from the last of `stack`, whose elements are the directories on the way there.
    fn resolve_in(
        &self,
        mut stack: Vec<u64>,
        path: &str,
        follow: bool,
        links: &mut u32,
    ) -> Result<Place, Error> {
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        let mut index = 0;
        while index < parts.len() {
            let dir = *stack.last().unwrap();
            let part = parts[index];
            index += 1;
            if part == ".." {
                stack.pop();
                if stack.is_empty() {
                    return Err(Error::NotPermitted);
                }
                continue;
            }
            // `x/.` is not the name x, but the directory.
            let is_last = index == parts.len() && !path.ends_with("/.");
            let found = self.find(dir, part);
            match found.map(|ino| (ino, &self.nodes[&ino].body)) {
                Some((_, Body::Symlink(target))) if !is_last || follow => {
                    *links += 1;
                    if *links > 40 {
                        return Err(Error::Loop);
                    }
                    let rest = [&[target.as_str()], &parts[index..]].concat().join("/");
                    let rest = if path.ends_with("/.") { rest + "/." } else { rest };
                    return self.resolve_in(stack, &rest, follow, links);
                }
                _ if is_last => return Ok((dir, Some(part.to_owned()), found)),
                Some((ino, Body::Directory { .. })) => stack.push(ino),
                Some(_) => return Err(Error::NotDirectory),
                None => return Err(Error::NotFound),
            }
        }
        Ok((*stack.last().unwrap(), None, None))
    }

    fn add(&mut self, dir: u64, name: &str, ino: u64) {
        self.names(dir).push((name.to_owned(), ino));
        let is_directory = self.is_directory(ino);
        let now_ns = self.now_ns;
        let node = self.nodes.get_mut(&dir).unwrap();
        node.modified_ns = now_ns;
        node.links += u32::from(is_directory);
    }

    fn take(&mut self, dir: u64, name: &str) -> u64 {
        let names = self.names(dir);
        let at = names.iter().position(|(n, _)| n == name).unwrap();
        let (_, ino) = names.remove(at);
        let is_directory = self.is_directory(ino);
        let now_ns = self.now_ns;
        let node = self.nodes.get_mut(&dir).unwrap();
        node.modified_ns = now_ns;
        node.links -= u32::from(is_directory);
        ino
    }

    fn drop_link(&mut self, ino: u64) {
        let is_directory = self.is_directory(ino);
        let node = self.nodes.get_mut(&ino).unwrap();
        node.links = if is_directory { 0 } else { node.links - 1 };
        self.sweep(ino);
    }

    fn sweep(&mut self, ino: u64) {
        if self.nodes[&ino].links == 0 && !self.open.contains(&ino) {
            self.nodes.remove(&ino);
        }
    }

    pub(crate) fn make(&mut self, path: &str, body: Body) -> Result<u64, Error> {
        let is_file = matches!(body, Body::File(_));
        let (dir, name, found) = self.resolve(path, is_file)?;
        let (Some(name), None) = (name, found) else { return Err(Error::Exists) };
        let ino = self.next;
        self.next += 1;
        let (links, body) = match body {
            Body::Directory { names, .. } => (2, Body::Directory { names, parent: dir }),
            other => (1, other),
        };
        self.nodes.insert(ino, Node { body, links, modified_ns: self.now_ns });
        self.add(dir, &name, ino);
        Ok(ino)
    }

    pub(crate) fn unlink(&mut self, path: &str) -> Result<(), Error> {
        let (dir, name, found) = self.resolve(path, false)?;
        let Some(name) = name else { return Err(Error::IsDirectory) };
        let ino = found.ok_or(Error::NotFound)?;
        if self.is_directory(ino) {
            return Err(Error::IsDirectory);
        }
        self.take(dir, &name);
        self.drop_link(ino);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &str) -> Result<(), Error> {
        let (dir, name, found) = self.resolve(path, false)?;
        let Some(name) = name else { return Err(Error::Invalid) };
        let ino = found.ok_or(Error::NotFound)?;
        if !self.is_directory(ino) {
            return Err(Error::NotDirectory);
        }
        if !self.names(ino).is_empty() {
            return Err(Error::NotEmpty);
        }
        self.take(dir, &name);
        self.drop_link(ino);
        Ok(())
    }

    pub(crate) fn link(&mut self, path: &str, new: &str) -> Result<(), Error> {
        let (dir, name, found) = self.resolve(path, false)?;
        let ino = if name.is_none() { dir } else { found.ok_or(Error::NotFound)? };
        let (to, new_name, present) = self.resolve(new, false)?;
        let (Some(new_name), None) = (new_name, present) else { return Err(Error::Exists) };
        if self.is_directory(ino) {
            return Err(Error::NotPermitted);
        }
        self.nodes.get_mut(&ino).unwrap().links += 1;
        self.add(to, &new_name, ino);
        Ok(())
    }

    pub(crate) fn rename(&mut self, path: &str, new: &str) -> Result<(), Error> {
        let (from, name, found) = self.resolve(path, false)?;
        let (to, new_name, present) = self.resolve(new, false)?;
        let (Some(name), Some(new_name)) = (name, new_name) else { return Err(Error::Busy) };
        let ino = found.ok_or(Error::NotFound)?;
        if present == Some(ino) {
            return Ok(());
        }
        let is_directory = self.is_directory(ino);
        let mut above = to;
        loop {
            if is_directory && above == ino {
                return Err(Error::Invalid);
            }
            let Body::Directory { parent, .. } = self.nodes[&above].body else { unreachable!() };
            if above == parent {
                break;
            }
            above = parent;
        }
        if let Some(old) = present {
            match (is_directory, self.is_directory(old)) {
                (true, false) => return Err(Error::NotDirectory),
                (false, true) => return Err(Error::IsDirectory),
                (true, true) if !self.names(old).is_empty() => return Err(Error::NotEmpty),
                _ => {}
            }
            self.take(to, &new_name);
            self.drop_link(old);
        }
        self.take(from, &name);
        self.add(to, &new_name, ino);
        if let Body::Directory { parent, .. } = &mut self.nodes.get_mut(&ino).unwrap().body {
            *parent = to;
        }
        Ok(())
    }

    pub(crate) fn file(&mut self, ino: u64) -> Result<&mut Vec<u8>, Error> {
        let now_ns = self.now_ns;
        let node = self.nodes.get_mut(&ino).unwrap();
        match &mut node.body {
            Body::File(data) => {
                node.modified_ns = now_ns;
                Ok(Arc::make_mut(data))
            }
            Body::Directory { .. } => Err(Error::IsDirectory),
            Body::Symlink(_) => Err(Error::Invalid),
        }
    }

    pub(crate) fn close(&mut self, slot: usize) {
        let ino = self.open.swap_remove(slot);
        self.sweep(ino);
    }

    /// The state after an interruption: no open files.
    pub(crate) fn interrupted(mut self) -> Self {
        for ino in std::mem::take(&mut self.open) {
            if self.nodes.contains_key(&ino) {
                self.sweep(ino);
            }
        }
        self
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut seen = BTreeMap::new();
        let mut waiting = vec![(String::new(), ROOT)];
        while let Some((path, ino)) = waiting.pop() {
            let node = &self.nodes[&ino];
            let what = match &node.body {
                Body::File(data) => What::File(data.clone()),
                Body::Symlink(target) => What::Symlink(target.clone()),
                Body::Directory { names, .. } => {
                    waiting.extend(names.iter().map(|(name, ino)| (format!("{path}/{name}"), *ino)));
                    What::Directory(names.iter().map(|(name, _)| name.clone()).collect())
                }
            };
            seen.insert(path, Seen { ino, links: node.links, modified_ns: node.modified_ns, what });
        }
        seen
    }
}
