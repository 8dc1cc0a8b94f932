// ecstream.h: hand messages to Impulse by ECStream (doc/ecstream.md), from C
// and C++. Link with `pkg-config --static --libs ecstream`.
//
//   ecs_options options = ECS_OPTIONS_INIT;
//   options.endpoint = "mx.example:1825";
//   options.stream = "orders-2026";
//   ecs_client *client = ecs_connect(&options);
//   if (ecs_error(client) != ECS_OK) ...
//   ecs_send(client, &message, &sequence);      as often as there are messages
//   while (ecs_next(client, &event)) ...        what became of them
//   ecs_drain(client, 60000);                   until all is done
//   ecs_close(client);
//
// What is not acknowledged is kept, and sent again when a connection broke:
// every message arrives exactly once, as long as the client lives or its stream
// is opened again with what was not acknowledged. One thread at a time may use
// a client. Strings are UTF-8; what is returned belongs to the client and lasts
// until the next call with it.
#ifndef ECSTREAM_H
#define ECSTREAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ecs_client ecs_client;

typedef enum ecs_status {
  ECS_OK = 0,
  ECS_INVALID = 1,    /* an argument that cannot be */
  ECS_CONNECTION = 2, /* cannot connect, or lost and not to be restored; it may work later */
  ECS_DENIED = 3,     /* the server does not want this client, its credentials, or its way of speaking */
  ECS_TIMEOUT = 4,    /* not yet */
  ECS_TOO_LARGE = 5,  /* an envelope that no frame can carry */
  ECS_MEMORY = 6
} ecs_status;

/* Bits of ecs_options.flags. */
enum {
  ECS_TLS = 1,           /* from the first octet */
  ECS_TLS_NO_VERIFY = 2, /* whoever the server is */
  ECS_NEW_STREAM = 4,    /* nobody can know the stream: an error if the server does */
  ECS_CHECKSUMS = 8,     /* CRC-32C over every frame */
  ECS_NO_RECONNECT = 16, /* a connection that breaks is the end */
  ECS_RESUME = 32        /* messages are numbered from acknowledged + 1 on, and those that the server has are not
                            sent again; else they are numbered behind what the server has */
};

typedef struct ecs_options {
  const char* endpoint; /* host:port, [v6]:port, or the path of a Unix socket */
  const char* stream;   /* 1 to 64 printable ASCII characters; NULL or "": no memory, no resumption later */
  const char* user;     /* NULL: nobody, or whom the certificate names */
  const char* password;
  const char* ca;          /* file or folder of trusted issuers; NULL: the system's */
  const char* server_name; /* that the certificate has to have; NULL: the host */
  const char* certificate; /* of the client, PEM; NULL: none */
  const char* key;         /* NULL: in the same file */
  const char* hostname;    /* what we call ourselves; NULL: the system's name */
  uint64_t acknowledged;   /* with ECS_RESUME: the highest sequence that was acknowledged */
  unsigned flags;
  int timeout_ms;   /* to connect, and to hear anything; 0: 30 s */
  size_t max_bytes; /* kept unacknowledged, ecs_send() waits above it; 0: 64 MiB */
} ecs_options;
#define ECS_OPTIONS_INIT {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Bits of ecs_recipient.notify (RFC 3461). */
enum { ECS_NOTIFY_NEVER = 1, ECS_NOTIFY_SUCCESS = 2, ECS_NOTIFY_FAILURE = 4, ECS_NOTIFY_DELAY = 8 };

typedef struct ecs_recipient {
  const char* address;
  const char* orcpt; /* "rfc822;xtext", or NULL */
  unsigned notify;   /* 0: not given */
} ecs_recipient;

typedef struct ecs_pair {
  const char* key;
  const char* value;
} ecs_pair;

typedef enum ecs_body_type { ECS_7BIT = 0, ECS_8BITMIME = 1, ECS_BINARYMIME = 2 } ecs_body_type;
typedef enum ecs_ret { ECS_RET_NONE = 0, ECS_RET_FULL = 1, ECS_RET_HEADERS = 2 } ecs_ret;

typedef struct ecs_message {
  const char* sender; /* NULL or "": the null sender */
  const ecs_recipient* recipients;
  size_t recipient_count;
  const char* body; /* lines end in CRLF */
  size_t body_size;
  const ecs_pair* context; /* or NULL */
  size_t context_count;
  const char* envid; /* xtext, or NULL */
  const char* auth;  /* an address, "<>", or NULL */
  ecs_body_type body_type;
  ecs_ret ret;
  int smtputf8;          /* 0 or 1 */
  int require_tls;       /* 0 or 1 */
  int priority;          /* -9 to 9 */
  int want_id;           /* 0 or 1: an ECS_ID event comes before the acknowledgement */
  uint32_t hold_seconds; /* 0: not held */
  int32_t deliver_by;    /* seconds from now; looked at when deliver_by_mode is not 0 */
  char deliver_by_mode;  /* 0, 'R' or 'N' */
} ecs_message;
#define ECS_MESSAGE_INIT {0, 0, 0, 0, 0, 0, 0, 0, 0, ECS_7BIT, ECS_RET_NONE, 0, 0, 0, 0, 0, 0, 0}

typedef enum ecs_event_kind {
  ECS_ACKNOWLEDGED = 1, /* everything up to `sequence` is durable, or was refused */
  ECS_ID = 2,           /* `text`: the id of message `sequence` */
  ECS_REFUSED = 3,      /* message `sequence`: code, enhanced, text; 4xx: may be sent anew later */
  ECS_OPENED = 4,       /* connected (again); everything up to `sequence` is done */
  ECS_FORGOTTEN = 5     /* as ECS_OPENED; but the server does not remember the stream any more: what was on its way
                           when the connection broke may be stored twice */
} ecs_event_kind;

typedef struct ecs_event {
  ecs_event_kind kind;
  uint64_t sequence;
  unsigned code;        /* ECS_REFUSED: 400 to 599 */
  int64_t recipient;    /* ECS_REFUSED: which, from 0; -1: the message */
  const char* enhanced; /* "5.7.1" */
  const char* text;
} ecs_event;

/* Connects, and opens the stream. NULL: no memory. Else a client that is to be
 * closed, also when it failed: ecs_error() says so. */
ecs_client* ecs_connect(const ecs_options* options);
void ecs_close(ecs_client* client);

/* Why the last call failed; ECS_OK: it did not. A client after ECS_CONNECTION or
 * ECS_DENIED is of no more use but for its events. */
ecs_status ecs_error(const ecs_client* client);
const char* ecs_error_text(const ecs_client* client);

/* Takes a message; copies it. `sequence`, when not NULL, gets its number. */
ecs_status ecs_send(ecs_client* client, const ecs_message* message, uint64_t* sequence);
/* Sends and receives for so long, or until there is an event. */
ecs_status ecs_pump(ecs_client* client, int timeout_ms);
/* Until every message is acknowledged or refused. ECS_TIMEOUT: some are not. */
ecs_status ecs_drain(ecs_client* client, int timeout_ms);
/* 1 and the next event, or 0. Does not wait. */
int ecs_next(ecs_client* client, ecs_event* event);

uint64_t ecs_acknowledged(const ecs_client* client); /* the highest sequence that is */
uint64_t ecs_last(const ecs_client* client);         /* the highest that was given out */
int ecs_is_connected(const ecs_client* client);
const char* ecs_version(void); /* of the library */

#ifdef __cplusplus
}
#endif

#endif
