{
  "targets": [{
    "target_name": "percore",
    "sources": ["addon.cc", "affinity.cc", "clock.cc", "waker.cc", "lane_memory.cc", "tcp.cc", "thread_epoll.cc", "io_source.cc", "epoll_io.cc", "uring_io.cc", "io_binding.cc", "loop_guest.cc", "loop_timer.cc", "io_driver.cc", "timer_wheel.cc", "timer_driver.cc", "timer_wheel_binding.cc", "turn.cc", "turn_binding.cc", "pipe.cc", "pipe_binding.cc", "timerfd_alarm.cc", "uring_alarm.cc", "rate_timer.cc", "file_io.cc", "listen_fd.cc", "datagram.cc", "unix_socket.cc", "descriptor_io.cc", "steering.cc", "realtime.cc", "locked_memory.cc", "isolate_stack.cc", "json_parser.cc", "stall_watch.cc", "stall_binding.cc", "halts.cc", "halts_binding.cc", "collection_log.cc", "shared_buffer.cc", "mapped_file.cc", "bell_watch.cc", "mapping_binding.cc", "threads_by_number.cc", "thread_figures.cc", "followed_thread.cc", "kernel_trace.cc", "cpu_events.cc", "mapped_pages.cc", "page_watch.cc", "trace_binding.cc"],
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
    "cflags_cc!": ["-std=gnu++17", "-O3"],
    "cflags_cc": ["-std=gnu++20", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
    "ldflags": ["-static-libstdc++", "-static-libgcc"]
  }]
}
