@0xa4f0c1b2d3e49586;
# Directories and files.

using import "errno.capnp".Errno;

const maxDataBytes :UInt32 = 57344;
# The most that one `read`, `write` or `append` moves (14 blocks of 4 KiB). More is cut short, never an error.
const maxEntries :UInt32 = 256;
# The most entries that one `readDirectory` returns.

struct Rights {
  # What a Namespace, or something opened in it, allows.
  read @0 :Bool;
  # See names, attributes and content.
  write @1 :Bool;
  # Change content, size and times of what exists.
  modify @2 :Bool;
  # Make, remove, link and rename.
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
  # Identifies the object within it for ever.
  kind @2 :Kind;
  links @3 :UInt64;
  size @4 :UInt64;
  # Bytes of a file or a link's target.
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
  # Make the file if there is none.
  exclusive @3 :Bool;
  # With `create`: fail with `exists` if there is one.
  truncate @4 :Bool;
  directory @5 :Bool;
  # Fail with `notDirectory` unless it is a directory.
  times @6 :Bool;
  # Times may be set through what is opened even if it is not opened to write; as far as the namespace has the right to.
}

struct Entry {
  name @0 :Text;
  inode @1 :UInt64;
  kind @2 :Kind;
  cookie @3 :UInt64;
  # Where a listing goes on after this entry. Belongs to the entry as long as it exists.
}

interface Object {
  # Holding an Object allows reading one file's or directory's attributes, and with the right to write, or as opened, changing its times.

  stat @0 () -> (error :Errno, attributes :Attributes);

  setTimes @1 (accessed :SetTime, modified :SetTime) -> (error :Errno);

  sync @2 (dataOnly :Bool) -> (error :Errno);
  # Returns when everything done to the volume before, by anyone, survives any interruption.
}

interface File extends(Object) {
  # Holding a File allows reading it, writing it, or both, as it was opened, for as long as it is held and whatever becomes
  # of its name. It does not allow finding or opening any other file.

  read @0 (offset :UInt64, length :UInt32) -> (error :Errno, data :Data);
  # Up to `length` bytes, at most `maxDataBytes`. Fewer at the end of the file, and before a block that cannot be read, which is an
  # error when a read begins there; none at or past the end.

  write @1 (offset :UInt64, data :Data) -> (error :Errno, written :UInt32);
  # Writes at `offset`, with zeros between the end of the file and it. `written` is less than the length of `data` only
  # when that is over `maxDataBytes` or the volume took no more.

  append @2 (data :Data) -> (error :Errno, written :UInt32, end :UInt64);
  # Writes at the end, wherever that is now; `end` is the file's size after it.

  setSize @3 (size :UInt64) -> (error :Errno);

  allocate @4 (offset :UInt64, length :UInt64) -> (error :Errno);
  # Makes the file at least `offset + length` bytes long and sees that writes in that range will find room.
}

interface Namespace extends(Object) {
  # Holding a Namespace allows reaching one directory and all below it, as far as its rights go. It does not allow seeing
  # anything outside: `..` above it, absolute paths, and symbolic links that are absolute or lead out are `notPermitted`.
  # A right that is missing is `notCapable`. Paths are UTF-8 of at most 4096 bytes, components separated by `/`.

  open @0 (path :Data, follow :Bool, flags :OpenFlags) -> (error :Errno, file :File, directory :Namespace,
          attributes :Attributes);
  # Opens what `path` names; with `follow`, what a symbolic link in its last place leads to. Either `file` or `directory`
  # is set. A directory opened has this namespace's rights (`sub` gives fewer); to open one to write is `isDirectory`.
  # `attributes` are set unless this namespace may not read and the file was opened for nothing.

  sub @1 (path :Data, rights :Rights) -> (error :Errno, directory :Namespace);
  # A namespace that begins at a directory of this one and has those of its rights that `rights` also has: it can do no
  # more and see no more.

  statPath @2 (path :Data, follow :Bool) -> (error :Errno, attributes :Attributes);

  setTimesPath @3 (path :Data, follow :Bool, accessed :SetTime, modified :SetTime) -> (error :Errno);

  readDirectory @4 (cookie :UInt64, maxBytes :UInt32) -> (error :Errno, entries :List(Entry), end :Bool);
  # Entries after `cookie` (0: from the first), without `.` and `..`; as many as fit in about `maxBytes`, at least one,
  # at most `maxEntries`. `end`: there are no more.

  readLink @5 (path :Data) -> (error :Errno, target :Data);

  createDirectory @6 (path :Data) -> (error :Errno);

  createSymbolicLink @7 (target :Data, path :Data) -> (error :Errno);

  link @8 (path :Data, follow :Bool, to :Namespace, newPath :Data) -> (error :Errno);
  # A second name for a file. `crossDevice` when `to` is not of the same volume, `notCapable` when it has a right that this
  # namespace lacks: a name elsewhere allows no more than the one here.

  rename @9 (path :Data, to :Namespace, newPath :Data) -> (error :Errno);
  # Moves a file or directory, atomically, replacing what POSIX lets it replace. Errors with `to` as those of `link`.

  unlink @10 (path :Data) -> (error :Errno);

  removeDirectory @11 (path :Data) -> (error :Errno);

  parent @12 () -> (error :Errno, attributes :Attributes);
  # Attributes of what `..` shows in a listing: the directory above, or at the namespace's own root that root itself.
}

interface Volume {
  # Holding a Volume allows reaching everything on it with every right, and setting quotas. It is for whoever hands out
  # namespaces of the volume.

  namespace @0 (path :Data, rights :Rights, create :Bool, quota :Quota) -> (error :Errno, directory :Namespace);
  # The directory at `path` with these rights; with `create`, made with all above it if missing. A `quota` with a limit
  # is set on that directory, and stays. `path` begins at the root, with or without a slash; empty is the root.
  # Each namespace given out has its own limit of open objects; past it, opening is `tooManyFiles`.
  # If the volume's device failed, this opens the volume again; what was opened before keeps answering `io`.

  usage @1 () -> (error :Errno, blockBytes :UInt32, blocks :UInt64, blocksFree :UInt64, inodes :UInt64, readOnly :Bool);

  sync @2 () -> (error :Errno);
}

struct Quota {
  # Limits on a directory and all below it. Zero: none.
  bytes @0 :UInt64;
  inodes @1 :UInt64;
}
