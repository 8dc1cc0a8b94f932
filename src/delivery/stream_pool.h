// StreamPool: streams of ECStream whose connections have ended, and of which nothing
// is unacknowledged: the next connection to the same server goes on with one. So a
// server has to remember as many names as there are connections at once, and not one
// for each that there ever was. Of all hops together. Loop thread.
#pragma once

#include "base/endpoint.h"
#include "ecstream/client_stream.h"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace impulse::delivery {

class StreamPool {
 public:
  static constexpr size_t most = 20000;  // of more, some are forgotten

  // To whom a stream belongs there.
  struct Key {
    std::string how;  // Route::how
    Endpoint endpoint;
    bool login = false;  // it authenticates
    bool tls = false;    // or may, by TLS
    friend bool operator<(const Key& one, const Key& other) {
      return std::tie(one.endpoint, one.login, one.tls, one.how) <
             std::tie(other.endpoint, other.login, other.tls, other.how);
    }
  };

  // One that nobody else has; nullopt: there is none.
  std::optional<ecstream::ClientStream> take(const Key& key) {
    const auto found = streams_.find(key);
    if (found == streams_.end()) return std::nullopt;
    return std::move(streams_.extract(found).mapped());
  }
  // `stream`: with nothing that waits. The server may know it or not; OPENED tells.
  void give(Key key, ecstream::ClientStream stream) {
    if (streams_.size() >= most) streams_.erase(streams_.begin());
    streams_.emplace(std::move(key), std::move(stream));
  }
  // The server has another past than ours: none of them is of use.
  void drop(const Key& key) { streams_.erase(key); }

 private:
  std::multimap<Key, ecstream::ClientStream> streams_;
};

}  // namespace impulse::delivery
