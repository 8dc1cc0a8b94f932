// c-ares says which sockets it waits for and until when; the loop tells it when
// they are ready. It checks that an answer comes from whom it was asked of and
// repeats the question.
//
// When a server says SERVFAIL it goes to the next one, and when there is no more
// it says that it could reach none. So who is asked alone gives his answer
// whatever it is; of several, the question is put once more so that the reason
// becomes known.
#include "dns/channel.h"

#include <ares.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace impulse::dns {
namespace {

// What fits into packets everywhere (DNS flag day 2020); longer answers come by TCP.
constexpr int udp_size = 1232;
constexpr Duration shortest_wait = std::chrono::milliseconds(1);

class Channel {
 public:
  using Reply = Transport::Reply;

  explicit Channel(net::Loop& loop)
      : loop_(loop), timer_(loop, [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }) {}

  ~Channel() {
    ending_ = true;
    if (channel_ != nullptr) ares_destroy(channel_);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  Result<> open(const ResolvConf& conf, bool takes_failures) {
    ares_options options{};
    options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOALIASES | ARES_FLAG_NOSEARCH;
    if (takes_failures) options.flags |= ARES_FLAG_NOCHECKRESP;
    options.timeout = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(conf.timeout).count());
    options.tries = static_cast<int>(conf.attempts);
    options.ednspsz = udp_size;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int read, int write) {
      static_cast<Channel*>(self)->watch(fd, read != 0, write != 0);
    };
    options.sock_state_cb_data = this;
    char lookups[] = "b";          // files are our affair
    char nothing[] = "/dev/null";  // and so is the configuration
    options.lookups = lookups;
    options.resolvconf_path = nothing;
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB |
                     ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF | (conf.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
    if (const int error = ares_init_options(&channel_, &options, mask); error != ARES_SUCCESS) {
      channel_ = nullptr;
      return fail(Errc::no_space, "resolver: {}", ares_strerror(error));
    }
    std::vector<ares_addr_port_node> nodes(conf.servers.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      const IpAddress& address = conf.servers[i].address();
      nodes[i].next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
      nodes[i].family = conf.servers[i].family();
      if (address.is_v4())
        std::memcpy(&nodes[i].addr.addr4, address.bytes().data(), 4);
      else
        std::memcpy(&nodes[i].addr.addr6, address.bytes().data(), 16);
      nodes[i].udp_port = nodes[i].tcp_port = conf.servers[i].port();
    }
    if (const int error = ares_set_servers_ports(channel_, nodes.data()); error != ARES_SUCCESS)
      return fail(Errc::no_space, "resolver: {}", ares_strerror(error));
    return {};
  }

  void ask(const std::string& name, Type type, Reply reply) {
    constexpr int internet = 1;
    ares_query(channel_, name.c_str(), internet, static_cast<int>(type), answered, new Reply(std::move(reply)));
    arm();
  }

 private:
  struct Watched {
    std::unique_ptr<net::ReadWatch> read;
    std::unique_ptr<net::WriteWatch> write;
  };

  // Never throws on through c-ares: what is called posts, and no more.
  static void answered(void* argument, int status, int, unsigned char* bytes, int size) noexcept {
    const std::unique_ptr<Reply> reply(static_cast<Reply*>(argument));
    if (bytes != nullptr && size > 0 && (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND))
      return (*reply)(std::vector<uint8_t>(bytes, bytes + size));
    (*reply)(problem(status));
  }

  static std::unexpected<Error> problem(int status) {
    switch (status) {
      case ARES_ESERVFAIL:
        return fail(Errc::busy, "SERVFAIL");
      case ARES_EREFUSED:
        return fail(Errc::busy, "REFUSED");
      case ARES_ENOTIMP:
        return fail(Errc::busy, "NOTIMP");
      case ARES_EFORMERR:
        return fail(Errc::busy, "FORMERR");
      case ARES_ETIMEOUT:
        return fail(Errc::timeout, "no answer of any name server in time");
      case ARES_ECONNREFUSED:
        return fail(Errc::busy, "no name server can be reached");
      case ARES_EDESTRUCTION:
      case ARES_ECANCELLED:
        return fail(Errc::unavailable, "the resolver ends");
      default:
        return fail(Errc::busy, "{}", ares_strerror(status));
    }
  }

  void watch(ares_socket_t fd, bool read, bool write) {
    if (!read && !write) {
      watched_.erase(fd);
      return;
    }
    Watched& watched = watched_[fd];
    if (!read) watched.read.reset();
    if (!write) watched.write.reset();
    if (read && !watched.read)
      watched.read = std::make_unique<net::ReadWatch>(loop_, fd, [this, fd] { process(fd, ARES_SOCKET_BAD); });
    if (write && !watched.write)
      watched.write = std::make_unique<net::WriteWatch>(loop_, fd, [this, fd] { process(ARES_SOCKET_BAD, fd); });
  }

  void process(ares_socket_t read, ares_socket_t write) {
    ares_process_fd(channel_, read, write);
    arm();
  }

  void arm() {
    if (ending_) return;
    timeval wait{};
    if (ares_timeout(channel_, nullptr, &wait) == nullptr) return timer_.stop();
    const Duration after = std::chrono::seconds(wait.tv_sec) + std::chrono::microseconds(wait.tv_usec);
    timer_.start(std::max(after, shortest_wait));
  }

  net::Loop& loop_;
  ares_channel channel_ = nullptr;
  bool ending_ = false;
  std::map<ares_socket_t, Watched> watched_;
  net::Timer timer_;
};

class Channels final : public Transport {
 public:
  explicit Channels(net::Loop& loop) : last_(loop), several_(loop) {}

  Result<> open(const ResolvConf& conf) {
    if (auto opened = last_.open(conf, true); !opened) return opened;
    alone_ = conf.servers.size() == 1;
    return alone_ ? Result<>() : several_.open(conf, false);
  }

  void ask(const std::string& name, Type type, Reply reply) override {
    if (alone_) return last_.ask(name, type, std::move(reply));
    several_.ask(name, type, [this, name, type, reply = std::move(reply)](Result<std::vector<uint8_t>> bytes) mutable {
      if (bytes || bytes.error().code != Errc::busy) return reply(std::move(bytes));
      last_.ask(name, type, std::move(reply));
    });
  }

 private:
  Channel last_;
  Channel several_;
  bool alone_ = true;
};

}  // namespace

Result<std::unique_ptr<Transport>> make_channel(net::Loop& loop, const ResolvConf& conf) {
  auto channel = std::make_unique<Channels>(loop);
  if (auto opened = channel->open(conf); !opened) return std::unexpected(opened.error());
  return channel;
}

}  // namespace impulse::dns
