@0xd5b1a5c5e0c27b64;
# Error numbers, for interfaces whose callers must be able to distinguish errors.

enum Errno {
  # The numbers of `wasi_snapshot_preview1`, in its order and with its meanings (POSIX name beside each). A result with
  # `error` other than `success` has no other field set.

  success @0;  # SUCCESS
  tooBig @1;  # E2BIG
  access @2;  # EACCES
  addressInUse @3;  # EADDRINUSE
  addressNotAvailable @4;  # EADDRNOTAVAIL
  addressFamilyNotSupported @5;  # EAFNOSUPPORT
  again @6;  # EAGAIN
  already @7;  # EALREADY
  badFile @8;  # EBADF
  badMessage @9;  # EBADMSG
  busy @10;  # EBUSY
  canceled @11;  # ECANCELED
  child @12;  # ECHILD
  connectionAborted @13;  # ECONNABORTED
  connectionRefused @14;  # ECONNREFUSED
  connectionReset @15;  # ECONNRESET
  deadlock @16;  # EDEADLK
  destinationAddressRequired @17;  # EDESTADDRREQ
  domain @18;  # EDOM
  quota @19;  # EDQUOT
  exists @20;  # EEXIST
  fault @21;  # EFAULT
  fileTooLarge @22;  # EFBIG
  hostUnreachable @23;  # EHOSTUNREACH
  identifierRemoved @24;  # EIDRM
  illegalByteSequence @25;  # EILSEQ
  inProgress @26;  # EINPROGRESS
  interrupted @27;  # EINTR
  invalid @28;  # EINVAL
  io @29;  # EIO
  isConnected @30;  # EISCONN
  isDirectory @31;  # EISDIR
  loop @32;  # ELOOP
  tooManyFiles @33;  # EMFILE
  tooManyLinks @34;  # EMLINK
  messageSize @35;  # EMSGSIZE
  multihop @36;  # EMULTIHOP
  nameTooLong @37;  # ENAMETOOLONG
  networkDown @38;  # ENETDOWN
  networkReset @39;  # ENETRESET
  networkUnreachable @40;  # ENETUNREACH
  tooManyFilesInSystem @41;  # ENFILE
  noBuffers @42;  # ENOBUFS
  noDevice @43;  # ENODEV
  noEntry @44;  # ENOENT
  notExecutable @45;  # ENOEXEC
  noLocks @46;  # ENOLCK
  noLink @47;  # ENOLINK
  outOfMemory @48;  # ENOMEM
  noMessage @49;  # ENOMSG
  noProtocolOption @50;  # ENOPROTOOPT
  noSpace @51;  # ENOSPC
  notImplemented @52;  # ENOSYS
  notConnected @53;  # ENOTCONN
  notDirectory @54;  # ENOTDIR
  notEmpty @55;  # ENOTEMPTY
  notRecoverable @56;  # ENOTRECOVERABLE
  notSocket @57;  # ENOTSOCK
  notSupported @58;  # ENOTSUP
  notATerminal @59;  # ENOTTY
  noDeviceOrAddress @60;  # ENXIO
  overflow @61;  # EOVERFLOW
  ownerDead @62;  # EOWNERDEAD
  notPermitted @63;  # EPERM
  brokenPipe @64;  # EPIPE
  protocol @65;  # EPROTO
  protocolNotSupported @66;  # EPROTONOSUPPORT
  protocolType @67;  # EPROTOTYPE
  range @68;  # ERANGE
  readOnly @69;  # EROFS
  invalidSeek @70;  # ESPIPE
  noProcess @71;  # ESRCH
  stale @72;  # ESTALE
  timedOut @73;  # ETIMEDOUT
  textFileBusy @74;  # ETXTBSY
  crossDevice @75;  # EXDEV
  notCapable @76;  # ENOTCAPABLE
}
