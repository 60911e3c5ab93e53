@0xa4f0c1b2d3e49586;
# Directories and files.

using import "errno.capnp".Errno;
using Supervision = import "supervision.capnp";

const maxDataBytes :UInt32 = 57344;
# Maximum bytes moved by one `read`, `write` or `append` (14 blocks of 4 KiB). Longer requests are shortened,
# which is not an error.
const maxEntries :UInt32 = 256;
# Maximum number of entries returned by one `readDirectory`.

struct Rights {
  # The operations that a Namespace, or an object opened in it, allows.
  read @0 :Bool;
  # Read names, attributes and content.
  write @1 :Bool;
  # Change content, size and times of existing objects.
  modify @2 :Bool;
  # Create, remove, link and rename.
}

enum Kind {
  file @0;
  directory @1;
  symbolicLink @2;
}

struct Attributes {
  device @0 :UInt64;
  # Identifies the volume.
  inode @1 :UInt64;
  # Identifies the object within the volume; never reused.
  kind @2 :Kind;
  links @3 :UInt64;
  size @4 :UInt64;
  # Bytes of a file or of a link's target.
  accessed @5 :UInt64;
  modified @6 :UInt64;
  changed @7 :UInt64;
  # Nanoseconds since 1970-01-01T00:00:00Z. Reading does not change `accessed`.
}

struct SetTime {
  union {
    keep @0 :Void;
    now @1 :Void;
    to @2 :UInt64;
    # Nanoseconds since 1970-01-01T00:00:00Z.
  }
}

struct OpenFlags {
  read @0 :Bool;
  write @1 :Bool;
  create @2 :Bool;
  # Create the file if it does not exist.
  exclusive @3 :Bool;
  # With `create`: fail with `exists` if it exists.
  truncate @4 :Bool;
  directory @5 :Bool;
  # Fail with `notDirectory` unless it is a directory.
  times @6 :Bool;
  # Times may be set through the opened object even if it is not opened for writing, if the namespace has the right to.
}

struct Entry {
  name @0 :Text;
  inode @1 :UInt64;
  kind @2 :Kind;
  cookie @3 :UInt64;
  # Position from which a listing continues after this entry. Valid as long as the entry exists.
}

interface Object {
  # Holding an Object allows reading one file's or directory's attributes and, with the right to write, or if opened
  # that way, changing its times.

  stat @0 () -> (error :Errno, attributes :Attributes);

  setTimes @1 (accessed :SetTime, modified :SetTime) -> (error :Errno);

  sync @2 (dataOnly :Bool) -> (error :Errno);
  # Returns when every earlier operation on the volume, by any holder, is durable.
}

interface File extends(Object) {
  # Holding a File allows reading it, writing it, or both, as it was opened, for as long as it is held, even if its name
  # changes or is removed. It does not allow finding or opening any other file.

  read @0 (offset :UInt64, length :UInt32) -> (error :Errno, data :Data);
  # Up to `length` bytes, at most `maxDataBytes`. Fewer at the end of the file, and before an unreadable block, which is
  # an error if a read begins there; none at or past the end.

  write @1 (offset :UInt64, data :Data) -> (error :Errno, written :UInt32);
  # Writes at `offset`; a gap between the end of the file and `offset` is filled with zeros. `written` is less than the
  # length of `data` only if that exceeds `maxDataBytes` or the volume is full.

  append @2 (data :Data) -> (error :Errno, written :UInt32, end :UInt64);
  # Writes at the current end; `end` is the file's size afterwards.

  setSize @3 (size :UInt64) -> (error :Errno);

  allocate @4 (offset :UInt64, length :UInt64) -> (error :Errno);
  # Makes the file at least `offset + length` bytes long and reserves space for writes in that range.
}

interface Namespace extends(Object) {
  # Holding a Namespace allows reaching one directory and everything below it, within its rights. It does not allow
  # seeing anything outside: `..` above it, absolute paths, and symbolic links that are absolute or lead out are
  # `notPermitted`. A missing right is `notCapable`. Paths are UTF-8 of at most 4096 bytes, with components separated by
  # `/`.

  open @0 (path :Data, follow :Bool, flags :OpenFlags) -> (error :Errno, file :File, directory :Namespace,
          attributes :Attributes);
  # Opens the object at `path`; with `follow`, a symbolic link in the last component is followed. Either `file` or
  # `directory` is set. An opened directory has this namespace's rights (`sub` gives fewer); opening one for writing is
  # `isDirectory`. `attributes` are set unless this namespace may not read and the file was opened with no access.

  sub @1 (path :Data, rights :Rights) -> (error :Errno, directory :Namespace);
  # A namespace that begins at a directory of this one and has the intersection of its rights and `rights`. It can do
  # no more and see no more.

  statPath @2 (path :Data, follow :Bool) -> (error :Errno, attributes :Attributes);

  setTimesPath @3 (path :Data, follow :Bool, accessed :SetTime, modified :SetTime) -> (error :Errno);

  readDirectory @4 (cookie :UInt64, maxBytes :UInt32) -> (error :Errno, entries :List(Entry), end :Bool);
  # Entries after `cookie` (0: from the first), without `.` and `..`; as many as fit in about `maxBytes`, at least one,
  # at most `maxEntries`. `end`: there are no further entries.

  readLink @5 (path :Data) -> (error :Errno, target :Data);

  createDirectory @6 (path :Data) -> (error :Errno);

  createSymbolicLink @7 (target :Data, path :Data) -> (error :Errno);

  link @8 (path :Data, follow :Bool, to :Namespace, newPath :Data) -> (error :Errno);
  # Creates a hard link. `crossDevice` if `to` is not of the same volume, `notCapable` if it has a right that this
  # namespace lacks: the new name must not allow more than the old one.

  rename @9 (path :Data, to :Namespace, newPath :Data) -> (error :Errno);
  # Moves a file or directory, atomically, replacing the target where POSIX allows it. Errors concerning `to` as for
  # `link`.

  unlink @10 (path :Data) -> (error :Errno);

  removeDirectory @11 (path :Data) -> (error :Errno);

  parent @12 () -> (error :Errno, attributes :Attributes);
  # Attributes of the directory that `..` shows in a listing: the parent, or at the namespace's own root that root
  # itself.
}

interface Volume extends(Supervision.Grantor, Supervision.Flushable) {
  # Holding a Volume allows access to everything on it with every right, and setting quotas. It is for the process that
  # grants namespaces of the volume. `grant` takes a `DirectoryGrant` and returns a Namespace; `flush` is `sync`.

  namespace @0 (path :Data, rights :Rights, create :Bool, quota :Quota) -> (error :Errno, directory :Namespace);
  # The directory at `path` with these rights; with `create`, it and its missing parents are created. A `quota` with a
  # limit is set on that directory, and is stored. `path` begins at the root, with or without a slash; empty is the
  # root. Each namespace returned has a separate limit of open objects; beyond it, opening is `tooManyFiles`. If the
  # volume's device failed, this reopens the volume; objects opened earlier keep answering `io`.

  usage @1 () -> (error :Errno, blockBytes :UInt32, blocks :UInt64, blocksFree :UInt64, inodes :UInt64, readOnly :Bool);

  sync @2 () -> (error :Errno);
}

struct DirectoryGrant {
  # A directory of a volume as a manifest grants it: the parameters of `Volume.namespace`.
  path @0 :Text;
  rights @1 :Rights;
  create @2 :Bool;
  quota @3 :Quota;
}

struct Quota {
  # Limits on a directory and everything below it. Zero: none.
  bytes @0 :UInt64;
  inodes @1 :UInt64;
}
