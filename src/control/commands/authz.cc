// authenticate (the list of mechanisms), authz id, authz roles list.
#include "control/access.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

#include "auth/roles.h"

#include <algorithm>
#include <memory>

namespace impulse::control {

namespace {

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// A role with its patterns, as text.
void say_role(Writer& writer, const auth::Role& role, const std::vector<std::string>& users, bool mine) {
  if (writer.json()) {
    Json patterns = Json::array();
    for (const Pattern& pattern : role.allow) patterns.push_back(pattern.text());
    writer.document({{"role", role.name}, {"allow", patterns}, {"users", users}, {"mine", mine}});
    return;
  }
  writer.text(fmt::format("{}{}", role.name, mine ? " (yours)" : ""));
  for (const Pattern& pattern : role.allow) writer.text(fmt::format("  allow {}", pattern.text()));
  if (!users.empty()) writer.text(fmt::format("  users {}", fmt::join(users, ", ")));
}

}  // namespace

// With a mechanism it begins an exchange, which is the session's business and
// does not come here, unless the session has nothing to authenticate with.
Answer authenticate(const Invocation& call) {
  if (!call.rest.empty()) return Answer::error(Code::usage, "auth-no-mechanism", "no mechanism is on offer here");
  auto mechanisms = call.access ? call.access->offered() : std::vector<auth::Mechanism>();
  const size_t count = mechanisms.size();
  return {{}, each(count, [mechanisms = std::move(mechanisms)](Writer& writer, size_t i) {
            if (writer.json())
              writer.document(Json::object({{"mechanism", name(mechanisms[i])}}));
            else
              writer.text(name(mechanisms[i]));
          })};
}

Answer authz_id(const Invocation& call) {
  if (!call.words.empty()) return usage("authz id", "nothing is expected behind it");
  Access::Standing who;
  std::vector<std::string> groups;
  std::vector<std::string> roles;
  bool authorizes = false;
  bool tls = false;
  std::string peer;
  if (call.access) {
    who = call.access->standing();
    groups = call.access->groups();
    roles = auth::Roles(*call.access->snapshot()).held(call.access->names());
    authorizes = call.access->authorizes();
    tls = call.access->client().tls;
    if (!call.access->client().peer.is_unix()) peer = call.access->client().peer.to_string();
  } else {
    who.user = call.peer.user;
  }
  return Answer::once({}, [who, groups = std::move(groups), roles = std::move(roles), authorizes, tls,
                           peer = std::move(peer), uid = call.peer.uid, via = call.peer.via](Writer& writer) {
    if (writer.json()) {
      Json document{{"user", who.user.empty() ? Json() : Json(who.user)},
                    {"uid", uid == static_cast<uid_t>(-1) ? Json() : Json(uid)},
                    {"authenticated", who.authenticated},
                    {"mechanism", who.how.empty() ? Json() : Json(who.how)},
                    {"listen", via},
                    {"peer", peer.empty() ? Json() : Json(peer)},
                    {"tls", tls},
                    {"groups", groups},
                    {"roles", roles},
                    {"authorization", authorizes}};
      writer.document(document);
      return;
    }
    if (who.user.empty())
      writer.text("user anonymous (not authenticated)");
    else
      writer.text(fmt::format("user {} ({})", who.user, who.how.empty() ? "not authenticated" : who.how));
    writer.text(fmt::format("groups: {}", listed(groups)));
    writer.text(fmt::format("roles: {}", listed(roles)));
    writer.text(authorizes ? "authorization: by roles" : "authorization: none, everything is allowed");
  });
}

Answer authz_roles_list(const Invocation& call) {
  if (!call.words.empty()) return usage("authz roles list", "nothing is expected behind it");
  const auto snapshot = call.access ? call.access->snapshot() : call.system.engine().current();
  auto roles = std::make_shared<const auth::Roles>(*snapshot);
  std::vector<std::string> mine;
  auto users = std::make_shared<std::vector<std::vector<std::string>>>();
  if (call.access) mine = call.access->names();
  for (const auth::Role& role : roles->all())
    users->push_back(call.access ? call.access->members(role.name) : std::vector<std::string>());
  return {{}, each(roles->all().size(), [roles, users, mine = std::move(mine)](Writer& writer, size_t i) {
            const auth::Role& role = roles->all()[i];
            say_role(writer, role, (*users)[i], std::find(mine.begin(), mine.end(), role.name) != mine.end());
          })};
}

}  // namespace impulse::control
