// dns_cache, dig, domain route, refresh domain: what is known of names, and
// where mail goes by it.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/route_lines.h"
#include "control/limits.h"

#include <algorithm>
#include <memory>

namespace impulse::control {

namespace {

using Found = dns::Answer;

int64_t seconds_left(SteadyTime until) {
  return std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(until - steady_now()).count());
}
int64_t seconds_of(Duration left) { return std::chrono::duration_cast<std::chrono::seconds>(left).count(); }

std::string_view status_word(Found::Status status) {
  switch (status) {
    case Found::Status::found:
      return "found";
    case Found::Status::no_data:
      return "no data";
    case Found::Status::no_name:
      return "no name";
    case Found::Status::failed:
      return "failed";
  }
  return "";
}

std::vector<std::string> data_of(const Found& answer) {
  std::vector<std::string> lines;
  for (const IpAddress& each : answer.addresses) lines.push_back(each.to_string());
  for (const dns::Exchange& each : answer.exchanges) lines.push_back(fmt::format("{} {}.", each.preference, each.host));
  return lines;
}

void say_answer(Writer& writer, std::string_view name, dns::Type type, const Found& answer) {
  const int64_t left = seconds_left(answer.until);
  if (writer.json()) {
    Json document{
        {"name", name}, {"type", dns::type_name(type)}, {"status", status_word(answer.status)}, {"ttl", left}};
    if (answer.status == Found::Status::found) {
      document["canonical"] = answer.name;
      document["records"] = data_of(answer);
    } else {
      document["problem"] = answer.problem;
    }
    return writer.document(document);
  }
  writer.text(";; QUESTION SECTION:");
  writer.text(fmt::format(";{:<30} IN      {}", escape_line(name), dns::type_name(type)));
  writer.text("");
  if (answer.status != Found::Status::found)
    return writer.text(fmt::format(";; {} ({} s)", escape_line(answer.problem), left));
  writer.text(";; ANSWER SECTION:");
  for (const std::string& data : data_of(answer))
    writer.text(fmt::format("{:<30}  {:<6}  IN      {:<5}   {}", answer.name, left, dns::type_name(type), data));
}

struct Question {
  std::string name;
  dns::Type type;
};

std::expected<Question, Answer> read_question(const Invocation& call, std::string_view command) {
  if (call.words.size() != 2) return std::unexpected(usage(command, "a name and a type follow: MX, A or AAAA"));
  const auto type = dns::type_of(call.words[1].text);
  if (!type)
    return std::unexpected(placed_error(Code::usage, "control-usage", call.words[1], "the types are MX, A and AAAA"));
  std::string name = lower(call.words[0].text);
  if (name.ends_with('.')) name.pop_back();
  if (!dns::is_host_name(name))
    return std::unexpected(placed_error(Code::usage, "control-usage", call.words[0], "that is no name of the DNS"));
  return Question{std::move(name), *type};
}

std::string family(const IpAddress& address) { return address.is_v4() ? "IPv4" : "IPv6"; }

}  // namespace

Json route_document(const DomainRoute& route) {
  Json document{
      {"domain", route.domain}, {"method", route.method}, {"looked_up", route.looked_up}, {"pending", route.pending}};
  if (route.ttl) document["ttl"] = seconds_of(*route.ttl);
  if (!route.problem.empty()) {
    document["problem"] = route.problem;
    document["permanent"] = route.permanent;
  }
  Json hosts = Json::array();
  for (const RouteHost& host : route.hosts) {
    Json one{{"host", host.host},
             {"port", host.port == 0 ? Json() : Json(host.port)},
             {"rank", host.rank},
             {"from", host.from_dns ? "dns" : "configuration"}};
    Json addresses = Json::array();
    for (const IpAddress& address : host.addresses) addresses.push_back(address.to_string());
    one["addresses"] = addresses;
    if (host.ttl) one["ttl"] = seconds_of(*host.ttl);
    if (!host.problem.empty()) one["problem"] = host.problem;
    hosts.push_back(one);
  }
  document["hosts"] = hosts;
  if (!route.also.empty()) document["also"] = route.also;
  return document;
}

void say_route(Writer& writer, const DomainRoute& route) {
  if (writer.json()) return writer.document(route_document(route));
  const std::string name = escape_line(route.domain);
  const std::string pending = route.pending ? ", being looked up" : "";
  if (!route.problem.empty()) {
    writer.text(fmt::format("Domain '{}' has no route{}: {}", name, pending, escape_line(route.problem)));
    return;
  }
  if (route.method != "esmtp" && route.method != "lmtp" && route.method != "ecstream")
    return writer.text(fmt::format("Domain '{}' goes by {}", name, route.method));
  if (!route.looked_up) {
    writer.text(fmt::format("Domain '{}' has {} by the configuration", name, counted(route.hosts.size(), "host")));
  } else if (!route.ttl) {
    return writer.text(fmt::format("Domain '{}' is not looked up{}", name, route.pending ? " yet" : ""));
  } else {
    writer.text(fmt::format("Domain '{}' has {} MXs and a TTL of {} seconds{}", name, route.hosts.size(),
                            seconds_of(*route.ttl), pending));
  }
  for (const RouteHost& host : route.hosts) {
    const std::string ttl = host.ttl ? fmt::format(" TTL:{}", seconds_of(*host.ttl)) : std::string();
    const bool brackets = host.port != 0 && host.host.contains(':');
    const std::string port = host.port == 0 ? std::string() : fmt::format(":{}", host.port);
    writer.text(fmt::format("  [{} {}{}{}{}{}]", host.rank, brackets ? "[" : "", escape_line(host.host),
                            brackets ? "]" : "", port, ttl));
    for (const IpAddress& address : host.addresses)
      writer.text(fmt::format("        [{}] {}", address.to_string(), family(address)));
    if (!host.problem.empty()) writer.text(fmt::format("        {}", escape_line(host.problem)));
  }
  for (const std::string& domain : route.also)
    writer.text(fmt::format("                (also used by {})", escape_line(domain)));
}

Answer domain_route(const Invocation& call) {
  if (call.words.size() != 1) return usage("domain route", "a domain follows");
  return Answer::once(
      {}, [route = call.system.names().route(lower(call.words[0].text))](Writer& writer) { say_route(writer, route); });
}

Answer dig(const Invocation& call) {
  if (call.words.size() == 2) return dns_cache_submit(call);
  if (call.words.size() != 1) return usage("dig", "a domain follows, or a name and a type: MX, A or AAAA");
  return refresh_domain(call);
}

Answer refresh_domain(const Invocation& call) {
  if (call.words.size() != 1) return usage("refresh domain", "a domain follows, or all");
  const std::string domain = lower(call.words[0].text);
  const bool all = domain == "all";
  const size_t count = call.system.names().refresh(all ? std::string() : domain);
  if (!all && count == 0)
    return Answer::error(Code::not_found, "route-no-look-up",
                         fmt::format("{}: the configuration says where its mail goes, there is nothing to look up",
                                     escape_line(domain)));
  return Answer::once({Code::ok, {}, {{"domains", std::to_string(count)}}}, [count](Writer& writer) {
    if (writer.json()) return writer.document(Json{{"submitted", count}});
    writer.text("submitted");
  });
}

Answer dns_cache_stats(const Invocation& call) {
  if (!call.words.empty()) return usage("dns_cache stats", "nothing follows");
  return Answer::once({}, [all = call.system.names().statistics()](Writer& writer) {
    if (writer.json())
      return writer.document(Json{{"queries", {{"MX", all.mx}, {"A", all.a}, {"AAAA", all.aaaa}}},
                                  {"responses", {{"total", all.answers}, {"bad", all.bad}}},
                                  {"lookups", all.lookups},
                                  {"hits", all.hits}});
    writer.text("DNS Queries:");
    writer.text(fmt::format("         MX: {}", all.mx));
    writer.text(fmt::format("          A: {}", all.a));
    writer.text(fmt::format("       AAAA: {}", all.aaaa));
    writer.text("");
    writer.text("DNS responses:");
    writer.text(fmt::format("      Total: {}", all.answers));
    writer.text(fmt::format("        Bad: {}", all.bad));
    writer.text("");
    writer.text("DNS cache:");
    writer.text(fmt::format("    Lookups: {}", all.lookups));
    const double rate = all.lookups == 0 ? 0 : 100.0 * static_cast<double>(all.hits) / static_cast<double>(all.lookups);
    writer.text(fmt::format("   Hit Rate: {:.4f}%", rate));
  });
}

Answer dns_cache_submit(const Invocation& call) {
  const auto question = read_question(call, "dns_cache submit");
  if (!question) return question.error();
  call.system.names().submit(question->name, question->type);
  return Answer::once({}, [](Writer& writer) {
    if (writer.json()) return writer.document(Json{{"submitted", 1}});
    writer.text("Submitted");
  });
}

Answer dns_cache_lookup(const Invocation& call) {
  const auto question = read_question(call, "dns_cache lookup");
  if (!question) return question.error();
  const dns::AnswerPtr answer = call.system.names().remembered(question->name, question->type);
  if (!answer) return Answer::error(Code::not_found, "dns-not-remembered", "Cached result not found, try a submit.");
  return Answer::once({}, [question = *question, answer](Writer& writer) {
    say_answer(writer, question.name, question.type, *answer);
  });
}

Answer dns_cache_list(const Invocation& call) {
  size_t limit = 100;
  if (!call.words.empty()) {
    const auto number = parse_unsigned(call.words.back().text, 10000);
    if (call.words.size() != 2 || !iequals(call.words[0].text, "--limit") || !number || *number == 0)
      return usage("dns_cache list", "--limit N may follow, 1 to 10000");
    limit = *number;
  }
  auto rows = std::make_shared<std::vector<dns::Remembered>>(call.system.names().list(limit));
  return {{Code::ok, {}, {{"answers", std::to_string(rows->size())}}},
          each(rows->size(), [rows](Writer& writer, size_t index) {
            const dns::Remembered& row = (*rows)[index];
            if (writer.json()) return say_answer(writer, row.name, row.type, *row.answer);
            std::string data;
            for (const std::string& one : data_of(*row.answer)) data.append(data.empty() ? "" : ", ").append(one);
            if (data.empty()) data = escape_line(row.answer->problem);
            writer.text(fmt::format("{} {} [{}s] {}", row.name, dns::type_name(row.type),
                                    seconds_left(row.answer->until), data));
          })};
}

Answer dns_cache_flush(const Invocation& call) {
  if (call.words.size() > 1) return usage("dns_cache flush", "a name may follow");
  const size_t count = call.system.names().flush(call.words.empty() ? std::string() : lower(call.words[0].text));
  return Answer::once({Code::ok, {}, {{"answers", std::to_string(count)}}}, [count](Writer& writer) {
    if (writer.json()) return writer.document(Json{{"forgotten", count}});
    writer.text(fmt::format("{} answers forgotten", count));
  });
}

}  // namespace impulse::control
