// config_bench: how large a configuration may be, and what one edit of it
// costs. Everything in memory, without a daemon.
//
//   config_bench [size]
//
// size: the Peers of the large configuration, 1,000,000 without it; a
// hundredth of it is how many single edits are made, a twentieth how many one
// transaction holds.
#include "base/clock.h"
#include "config/engine.h"
#include "config/keys.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

using namespace impulse;
using namespace impulse::config;

namespace {

// One line of the table: what, how often, seconds, microseconds each, peak RSS.
void measure(const char* what, size_t times, const std::function<void()>& work) {
  const auto start = steady_now();
  work();
  const double seconds = std::chrono::duration<double>(steady_now() - start).count();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("%-52s %9zu %9.3f %11.3f %8ld\n", what, times, seconds, seconds * 1e6 / static_cast<double>(times),
              usage.ru_maxrss / 1024);
  std::fflush(stdout);
}

void insist(const Report& report) {
  if (report.ok) return;
  std::fprintf(stderr, "config_bench: %s\n", report.error.c_str());
  for (const Diagnostic& diagnostic : report.diagnostics) std::fprintf(stderr, "%s\n", diagnostic.render().c_str());
  std::exit(1);
}

std::unique_ptr<Engine> engine_over(const std::string& text) {
  EngineSettings settings;
  settings.file = "bench.conf";
  settings.load.read_file = [&text](const std::string& path) -> Result<std::string> {
    if (path != "bench.conf") return fail(Errc::not_found, "{}: no such file", path);
    return text;
  };
  return Engine::create(std::move(settings));
}

RawValue word(std::string text) {
  RawValue raw;
  raw.text = std::move(text);
  return raw;
}

std::shared_ptr<const Source> console() {
  auto source = std::make_shared<Source>();
  source->name = "console: bench";
  return source;
}

// `count` edits of their own, each a commit; the i-th sets the option to i in a range that is legal.
void single_sets(const char* what, Engine& engine, size_t count, const std::function<ScopePath(size_t)>& path,
                 const char* option) {
  const auto source = console();
  measure(what, count, [&] {
    for (size_t i = 0; i < count; ++i) insist(engine.set(path(i), option, word(std::to_string(i % 1000 + 1)), source));
  });
}

PathStep step(ScopeKind kind, std::string name = {}) { return {kind, std::move(name)}; }

void many_peers(size_t peers) {
  std::mt19937 random(1);
  std::vector<IpAddress> addresses;
  std::string text = "Hostname = a.example\nESMTP_Listener {\n  Listen \"*:25\" {\n";
  for (size_t i = 0; i < peers; ++i) {
    addresses.push_back(IpAddress::v4(static_cast<uint32_t>(random())));
    text += fmt::format("    Peer {} {{ Max_Errors = {} }}\n", addresses.back().to_string(), i % 100 + 1);
  }
  text += "  }\n}\n";
  const auto engine = engine_over(text);
  measure("Peers: parse and compile", peers, [&] { insist(engine->load()); });
  const SnapshotPtr snapshot = engine->current();
  const ListenConf& listen = *snapshot->listens().front();

  constexpr size_t lookups = 1000000;
  int64_t sum = 0;
  const auto resolve = [&](const char* what, size_t hot, size_t times) {
    hot = std::min(hot, addresses.size());
    measure(what, times, [&] {
      for (size_t i = 0; i < times; ++i) sum += listen.for_peer(addresses[i * 7919 % hot])[key::max_errors];
    });
  };
  resolve("resolve: 10 clients, first time", 10, 10);
  resolve("resolve: 10 clients", 10, lookups);
  resolve("resolve: 1000 clients, first time", 1000, 1000);
  resolve("resolve: 1000 clients", 1000, lookups);
  const size_t cold = std::min<size_t>(20000, addresses.size());
  measure("resolve: each client its first time", cold, [&] {
    for (size_t i = addresses.size() - cold; i < addresses.size(); ++i)
      sum += listen.for_peer(addresses[i])[key::max_errors];
  });
  if (sum == 0) std::exit(1);

  const auto peer = [&](size_t i) {
    return ScopePath{step(ScopeKind::esmtp_listener), step(ScopeKind::listen, "*:25"),
                     step(ScopeKind::peer, addresses[i * 7919 % addresses.size()].to_string())};
  };
  single_sets("single sets of a Peer", *engine, peers / 100, peer, "Max_Errors");
  single_sets("single global sets", *engine, peers / 100, [](size_t) { return ScopePath{}; }, "Max_Retries");
  auto transaction = engine->begin({}, {"console: bench"});
  if (!transaction) std::exit(1);
  const auto source = console();
  const size_t edits = peers / 20;
  measure("one transaction of many edits", edits, [&] {
    for (size_t i = 0; i < edits; ++i) insist((*transaction)->set(peer(i), "Max_Errors", word("77"), source));
    insist((*transaction)->commit({"console: bench"}));
  });
}

void many_listens(size_t listens, size_t domains, size_t sets) {
  std::string text = "Hostname = a.example\nESMTP_Listener {\n";
  for (size_t i = 0; i < listens; ++i)
    text +=
        fmt::format("  Listen \"127.0.{}.{}:25\" {{ Peer 10.0.0.0/8 {{ Max_Errors = 3 }} }}\n", i / 250, i % 250 + 1);
  text += "}\n";
  for (size_t i = 0; i < domains; ++i) text += fmt::format("Domain d{}.example {{ Max_Retries = 9 }}\n", i);
  for (size_t i = 0; i < 20; ++i) text += fmt::format("Domain \"/x{}/\" {{ Max_Retries = 8 }}\n", i);
  std::printf("\n%zu Listens, %zu Domains, 20 of them patterns\n", listens, domains + 20);
  const auto engine = engine_over(text);
  measure("parse and compile", 1, [&] { insist(engine->load()); });
  const auto listen = [&](size_t i) {
    return ScopePath{step(ScopeKind::esmtp_listener),
                     step(ScopeKind::listen, fmt::format("127.0.{}.{}:25", i % listens / 250, i % listens % 250 + 1))};
  };
  single_sets(
      "single sets of a Peer", *engine, sets,
      [&](size_t i) {
        ScopePath path = listen(i);
        path.push_back(step(ScopeKind::peer, "10.0.0.0/8"));
        return path;
      },
      "Max_Errors");
  single_sets("single sets of a Listen", *engine, sets, listen, "Max_Errors");
  single_sets(
      "single sets of the listener", *engine, sets, [](size_t) { return ScopePath{step(ScopeKind::esmtp_listener)}; },
      "Max_Errors");
  single_sets("single global sets", *engine, sets, [](size_t) { return ScopePath{}; }, "Max_Retries");
  single_sets(
      "single sets of a Domain", *engine, sets,
      [&](size_t i) { return ScopePath{step(ScopeKind::domain, fmt::format("d{}.example", i % domains))}; },
      "Max_Retries");
  single_sets(
      "single sets of a Domain pattern", *engine, sets,
      [](size_t i) { return ScopePath{step(ScopeKind::domain, fmt::format("/x{}/", i % 20))}; }, "Max_Retries");
  measure("reload, all edits dropped", 1, [&] { insist(engine->reload({}, {"console: bench"})); });
  measure("reload, nothing changed", 1, [&] { insist(engine->reload({}, {"console: bench"})); });
}

}  // namespace

int main(int argc, char** argv) {
  const long size = argc > 1 ? std::atol(argv[1]) : 1000000;
  if (size < 2000 || argc > 2) {
    std::fprintf(stderr, "usage: config_bench [size, from 2000]\n");
    return 2;
  }
  const auto peers = static_cast<size_t>(size);
  std::printf("%-52s %9s %9s %11s %8s\n", "", "times", "seconds", "us each", "peak MB");
  std::printf("%zu Peers in one Listen\n", peers);
  many_peers(peers);
  many_listens(std::min<size_t>(1000, peers / 20), std::max<size_t>(100, peers / 100), peers / 100);
  return 0;
}
