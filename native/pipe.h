// One end of an operating-system pipe, as one environment (the main thread, or one worker) owns it: anonymous (pipe2)
// or a FIFO.
//
//   FREE --open()--> OPEN --shutDown(), or the environment's end--> CLOSED --open(), a FIFO only--> OPEN ...
//
// The state of both ends lies in a block of shared memory (layout::Pipe) that travels with the handle, so of all
// threads that hold the handle exactly one gets each end, and each descriptor is closed exactly once. An end that
// nobody has opened belongs to the environment that made the pipe. A worker's death runs `shutDown`, so the other side
// sees the end of the pipe.
//
// | pair       | write side            | read side      | carries                        | needs              |
// |------------|-----------------------|----------------|--------------------------------|--------------------|
// | pipe.take  | shutDown, giveBack    | open           | the end is free, and its words | release -> acquire |
//
// Waiting: one uv_poll a descriptor, started only while JavaScript waits, so an idle end costs nothing and keeps no
// loop alive. Not libuv's own pipe streams (net.Socket), which read ahead into JavaScript, cannot be polled, and buffer
// without bound; not a thread that blocks, which cannot be called off.
//
// A FIFO's writing end cannot be opened before somebody reads (ENXIO). Waiting for that: open for reading and writing,
// which always works; open for writing; close the first. What is left is a writing end without a reader. Its POLLERR
// goes when a reader comes, but no poll reports that it goes; inotify's IN_OPEN does. The first descriptor looks like a
// reader to other producers for some microseconds; so a reader counts as gone only for a producer that has written
// something.
//
// Sources: pipe(7), fifo(7), inotify(7), epoll(7); fs/pipe.c of Linux for what a pipe polls.
#pragma once
#include <node_api.h>
#include <poll.h>
#include <uv.h>

#include <string>
#include <vector>

#include "layout.h"
#include "unique_fd.h"

namespace percore {

// What an environment keeps for all its pipes.
class PipeState {
 public:
  ~PipeState();
  // Keeps the block of a pipe made here, so that ends nobody opened can be closed when the environment ends.
  void keep(napi_env env, layout::Pipe* pipe, napi_value view);
  // An anonymous pipe was made in this block.
  static void noteUnopened(const layout::Pipe* pipe);
  // Closes the descriptor of an anonymous pipe's end unless somebody has opened it. True when it did.
  static bool closeUnopened(layout::Pipe* pipe, bool isProducer);
  // While a thread has a writing end, SIGPIPE waits in it: Node ignores the signal, but after process.on('SIGPIPE') and
  // off again it would kill. Blocked once and not around each write, whose cost that would double.
  void blockSigpipe();
  void unblockSigpipe();

 private:
  struct Made {
    layout::Pipe* pipe;
    napi_ref view;
  };
  std::vector<Made> made_;
  int writers_ = 0;
  bool wasBlocked_ = false;
};

class PipeEnd {
 public:
  // Null with `error` set: -EALREADY when the end is not free, or what the system says. `path` is empty for an
  // anonymous pipe.
  static PipeEnd* open(napi_env env, layout::Pipe* pipe, napi_value view, bool isProducer, std::string path,
      int capacityBytes, napi_value onReady, int* error);

  // Bytes; 0 at the end; -EAGAIN when there is nothing; -ENXIO when nobody writes, and nobody has since this end was
  // opened.
  int read(char* data, size_t length);
  // Bytes the kernel took, all or none of up to PIPE_BUF; -EAGAIN when full; -ENXIO when nobody reads a FIFO yet;
  // -EPIPE when nobody will.
  int write(const char* data, size_t length);
  // 0 when `write` would take PIPE_BUF bytes now; else -EAGAIN, -ENXIO or -EPIPE, as it would say.
  int space();
  // A FIFO's reading end: as if opened now, with nothing in the pipe lost. 0 or -errno.
  int reopen();
  // Calls `onReady` in each pass of libuv that finds the end ready, until it is switched off. Switching it on again
  // makes sure that it watches the right thing: a reader to come, or room. 0 or -errno.
  int watch(bool isOn);
  // Closes the descriptor; all else is freed after libuv's close callbacks. May be called from inside `onReady`, and
  // twice.
  void shutDown();
  // Where the end's JavaScript handle keeps its pointer here; cleared when the end is gone.
  PipeEnd** handle = nullptr;

 private:
  // A descriptor under libuv's eyes; deletes itself when libuv has let go of it.
  struct Watch {
    uv_poll_t handle;
    PipeEnd* end;
    void (PipeEnd::*onEvent)();
    bool isStarted;
  };

  PipeEnd(napi_env env, layout::Pipe* pipe, bool isProducer, std::string path, int capacityBytes);
  int join(napi_value view, napi_value onReady);
  int connect();
  int greet();
  int readerHasGone();
  int adopt(UniqueFd fd);
  int awaitReader();
  void endAwaiting();
  short readiness(short events) const;
  bool hasReader() const { return !(readiness(POLLOUT) & POLLERR); }
  int start(Watch** watch, int fd, int events, void (PipeEnd::*onEvent)());
  void stop(Watch* watch);
  void close(Watch** watch);
  void onArrival();
  void callBack();
  void giveBack(layout::PipeEndState state);
  void finish();

  napi_env env_;
  layout::Pipe* pipe_;
  bool isProducer_;
  std::string path_;
  int capacityBytes_;
  napi_ref view_ = nullptr, onReady_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_loop_t* loop_ = nullptr;
  UniqueFd fd_, inotify_;
  Watch *ready_ = nullptr, *arrival_ = nullptr;
  int openHandles_ = 0;
  bool awaitsReader_ = false, hasWritten_ = false, isShut_ = false;
};

}  // namespace percore
