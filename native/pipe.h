// One end of an operating-system pipe, either anonymous (pipe2) or a FIFO, as one environment (the main thread, or one
// worker) owns it.
//
//   FREE --open()--> OPEN --shutDown(), or the environment's end--> CLOSED --open(), a FIFO only--> OPEN ...
//
// The state of both ends lies in a block of shared memory (layout::Pipe) that travels with the handle. So exactly one
// of the threads that hold the handle gets each end, and each descriptor is closed exactly once. An end that nobody has
// opened belongs to the environment that made the pipe. When a worker dies, `shutDown` runs, so that the other side
// sees the end of the pipe.
//
// | pair       | write side            | read side      | carries                        | needs              |
// |------------|-----------------------|----------------|--------------------------------|--------------------|
// | pipe.take  | shutDown, giveBack    | open           | the end is free, and its words | release -> acquire |
//
// Waiting: each descriptor has one uv_poll, which is started only while JavaScript waits, so an idle end costs nothing
// and keeps no loop alive. libuv's own pipe streams (net.Socket) would not do: they read ahead into JavaScript, cannot
// be polled, and buffer without a bound. Nor would a thread that blocks, since it cannot be called off.
//
// A FIFO cannot be opened for writing before somebody reads (ENXIO). To wait for a reader, it is opened for reading and
// writing, which always works; then it is opened for writing, and the first descriptor is closed. What remains is a
// writing end without a reader. Its POLLERR goes away when a reader comes, but no poll reports that; inotify's IN_OPEN
// does. For some microseconds other producers take the first descriptor for a reader, so only a producer that has
// written something may conclude that its reader has gone.
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

// What one environment keeps for all its pipes.
class PipeState {
 public:
  ~PipeState();
  // Keeps the block of a pipe that was made here, so that ends which nobody opened can be closed with the environment.
  void keep(napi_env env, layout::Pipe* pipe, napi_value view);
  // Notes that an anonymous pipe was made in this block.
  static void noteUnopened(const layout::Pipe* pipe);
  // Closes the descriptor of one end of an anonymous pipe, unless somebody has opened it. True when it did.
  static bool closeUnopened(layout::Pipe* pipe, bool isProducer);
  // While a thread has a writing end, SIGPIPE is blocked in it. Node ignores the signal; but after
  // process.on('SIGPIPE') and off again it would kill the process. It is blocked once and not around each write, which
  // would then cost twice as much.
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
  // Null, with `error` set: -EALREADY when the end is not free, or what the system says. `path` is empty for an
  // anonymous pipe.
  static PipeEnd* open(napi_env env, layout::Pipe* pipe, napi_value view, bool isProducer, std::string path,
      int capacityBytes, napi_value onReady, int* error);

  // How many bytes were read; 0 at the end; -EAGAIN when the pipe is empty; -ENXIO when nobody writes, and nobody has
  // written since this end was opened.
  int read(char* data, size_t length);
  // How many bytes the kernel took (up to PIPE_BUF, all or none); -EAGAIN when the pipe is full; -ENXIO when nobody
  // reads a FIFO yet; -EPIPE when nobody ever will.
  int write(const char* data, size_t length);
  // 0 when `write` would take PIPE_BUF bytes now; otherwise -EAGAIN, -ENXIO or -EPIPE, as from `write`.
  int space();
  // Opens the reading end of a FIFO anew, without losing what is in the pipe. 0 or -errno.
  int reopen();
  // Until it is switched off, calls `onReady` in each pass of libuv that finds the end ready. If it is switched on
  // again, it makes sure that it watches for the right thing: a reader to come, or room. 0 or -errno.
  int watch(bool isOn);
  // Closes the descriptor; everything else is freed after libuv's close callbacks. May be called from inside `onReady`,
  // and more than once.
  void shutDown();
  // Where the JavaScript handle of this end keeps its pointer to it; cleared when the end is gone.
  PipeEnd** handle = nullptr;

 private:
  // A descriptor that libuv watches. It is deleted when libuv has let go of it.
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
