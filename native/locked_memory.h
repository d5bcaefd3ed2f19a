// Memory that is locked, but for V8's compiled code. V8 gives pages of that back by madvise(MADV_DONTNEED), which the
// kernel refuses for locked pages (EINVAL), and ends the process then: at the latest with the thread, in Node 20 to 26.
// So mlockall(2), and with it MCL_FUTURE, are out of the question: mappings are locked one by one, those of code and
// what is reserved for it left out, and what is mapped later is found by looking again, by a thread of our own. Where
// there is no swap, code stays in memory all the same. Node 20 gives pages of its heap back in that way too: there all
// that V8 has mapped is left out, which it marks as nothing to be inherited (`dc` in smaps).
//
//      /proc/self/maps:  heap | stack | file | reserved, code, header of code, reserved ... | heap
//                         ^lock  ^lock  ^lock  \_____ one row that has code, or much that is reserved: left out
//
// Source: mlock2(2), madvise(2), proc_pid_maps(5).
#pragma once

namespace percore {

// Locks what there is, each page when it is touched; `withFuture`: and from then on what is mapped later, half a second
// after that at the latest. 0 or -errno: that of the first mapping that the kernel refuses for want of a right.
// All that V8 has mapped is left out.
int lockMemory(bool withFuture);
int unlockMemory();

}  // namespace percore
