// Addresses of all families in one type: IPv4 and IPv6 addresses, from text and to text, Unix paths and abstract names.
// sockaddr_storage (128 bytes) has room for each of them. Source: ip(7), ipv6(7), unix(7).
#pragma once
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <string>

namespace percore {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  sockaddr* name() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* name() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }

  // False when `host` is neither an IPv4 nor an IPv6 address in numbers, when its zone ("fe80::1%eth0", "fe80::1%2") is
  // not a network interface of this machine, or when `port` is out of range.
  bool setInternet(const std::string& host, int port) {
    if (port < 0 || port > 65535) return false;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons(uint16_t(port));
      length = sizeof *v4;
    } else if (const size_t percent = host.find('%');
        inet_pton(AF_INET6, host.substr(0, percent).c_str(), &v6->sin6_addr) == 1) {
      if (percent != std::string::npos && (v6->sin6_scope_id = zoneOf(host.substr(percent + 1))) == 0) return false;
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(uint16_t(port));
      length = sizeof *v6;
    } else {
      return false;
    }
    return true;
  }

  // Takes a path, or an abstract name, whose first byte is NUL. False when it is empty or longer than sun_path.
  bool setUnix(const std::string& path) {
    auto* local = reinterpret_cast<sockaddr_un*>(&storage);
    const bool isAbstract = !path.empty() && path[0] == '\0';
    // A path also needs room for the NUL that ends it.
    if (path.empty() || path.size() + (isAbstract ? 0 : 1) > sizeof local->sun_path) return false;
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, path.data(), path.size());
    length = socklen_t(offsetof(sockaddr_un, sun_path) + path.size() + (isAbstract ? 0 : 1));
    return true;
  }

  int port() const { return portOf(storage); }

  // Reads the address that the socket is bound to. False, with errno set, when it has none.
  bool read(int fd) {
    length = sizeof storage;
    return getsockname(fd, name(), &length) == 0;
  }

  // Binds `fd` to this address. Returns null, or the name of the system call that was refused. SO_REUSEADDR: without it
  // a server that restarts within a minute would find its port in use by connections that are closed. `isShared` adds
  // SO_REUSEPORT, so that others may bind the port as well.
  const char* bindReusable(int fd, bool isShared) const {
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (isShared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0) return "setsockopt";
    return bind(fd, name(), length) == 0 ? nullptr : "bind";
  }

  static int portOf(const sockaddr_storage& from) {
    if (from.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(from).sin6_port);
    if (from.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(from).sin_port);
    return 0;
  }

  // "127.0.0.1", "::1", "fe80::1%eth0", "/run/a.sock", or "" for a Unix socket without a name.
  static std::string textOf(const sockaddr_storage& from, socklen_t length) {
    char text[INET6_ADDRSTRLEN] = "";
    if (from.ss_family == AF_INET)
      inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, text, sizeof text);
    if (from.ss_family == AF_INET6) {
      const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
      inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
      // Without its zone nobody could answer a link-local address.
      if (v6.sin6_scope_id != 0) return std::string(text) + "%" + zoneName(v6.sin6_scope_id);
    }
    if (from.ss_family != AF_UNIX) return text;
    constexpr size_t kHead = offsetof(sockaddr_un, sun_path);
    if (length <= kHead) return "";
    const char* path = reinterpret_cast<const sockaddr_un&>(from).sun_path;
    const size_t bytes = length - kHead;
    return path[0] == '\0' ? std::string(path, bytes) : std::string(path, strnlen(path, bytes));
  }

 private:
  // The number of a network interface that is given by name or number; 0 if there is none.
  static uint32_t zoneOf(const std::string& zone) {
    if (const uint32_t index = if_nametoindex(zone.c_str())) return index;
    if (zone.empty() || zone.size() > 9 || zone.find_first_not_of("0123456789") != std::string::npos) return 0;
    const auto index = uint32_t(std::stoul(zone));
    char name[IF_NAMESIZE];
    return if_indextoname(index, name) ? index : 0;
  }

  static std::string zoneName(uint32_t index) {
    char name[IF_NAMESIZE];
    return if_indextoname(index, name) ? name : std::to_string(index);
  }
};

}  // namespace percore
