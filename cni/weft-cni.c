/*
 * The CNI plugin that container runtimes execute. It carries the environment and the configuration to the agent's
 * socket and the agent's answer back; whatever there is to decide is decided there (agent/cni/). Only what must work
 * without an agent is done here: VERSION, errors that say so, and notes of DELs, which the agent finishes later.
 *
 * To the agent: every CNI_… variable of the environment, each ended by a NUL, one more NUL, the configuration, end.
 * From the agent: "<exit code> <bytes>\n" and so many bytes for stdout.
 *
 * Under the name `loopback` it is another plugin (loopback.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "weft-cni.h"

/* The agent makes an ADD wait for at most 20 s, and then it has the kernel's and the disk's work to do. */
static const struct timeval patience = {.tv_sec = 60};
static const char versions[] = "[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]";

extern char **environ;

void append(struct text *text, const void *bytes, size_t length) {
  if (text->length + length > text->room) {
    text->room = (text->length + length) * 2;
    text->bytes = realloc(text->bytes, text->room);
    if (!text->bytes) _exit(IO_FAILURE);
  }
  memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

int read_all(int fd, struct text *text) {
  char part[65536];
  for (;;) {
    ssize_t length = read(fd, part, sizeof part);
    if (length > 0) append(text, part, length);
    else if (length == 0) return 0;
    else if (errno != EINTR) return -1;
  }
}

static int write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -1;
    bytes += written;
    length -= written;
  }
  return 0;
}

const char *variable(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

int fail(int code, const char *message, const char *details) {
  printf("{\"cniVersion\":\"1.1.0\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n", code, message, details);
  fflush(stdout);
  return 1;
}

/* As the specification has it for container ids; interface names allow more characters, but not these two names. */
static int is_id(const char *id) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  return *id && !strchr("_.-", *id) && id[strspn(id, letters)] == 0;
}

static int is_interface(const char *name) {
  size_t length = strlen(name);
  return length > 0 && length < 16 && strcspn(name, "/: \t\n\v\f\r") == length && strcmp(name, ".") &&
         strcmp(name, "..");
}

/* Remembers a DEL for the agent's next start; it is the file's name that counts. */
static int leave_note(const char *directory, char *path, size_t room) {
  char notes[room];
  int fd, length;
  mkdir(directory, 0755);
  snprintf(notes, room, "%s/cni-gone", directory);
  mkdir(notes, 0700);
  length = snprintf(path, room, "%s/%s:%s", notes, variable("CNI_CONTAINERID"), variable("CNI_IFNAME"));
  if (length < 0 || (size_t)length >= room) {
    errno = ENAMETOOLONG;
    return -1;
  }
  fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  return close(fd);
}

static int connect_agent(const char *directory) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  snprintf(address.sun_path, sizeof address.sun_path, "%s/cni.sock", directory);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

/* Returns the exit code that the agent says, with its words on stdout; -1: there was no whole answer. */
static int ask(int fd, const struct text *request) {
  struct text answer = {0};
  int code, start = 0;
  size_t length;
  if (write_all(fd, request->bytes, request->length) || shutdown(fd, SHUT_WR) || read_all(fd, &answer)) return -1;
  append(&answer, "", 1);
  if (sscanf(answer.bytes, "%d %zu%n", &code, &length, &start) != 2) return -1;
  if (answer.bytes[start] != '\n' || answer.length - 1 - (start + 1) != length) return -1;
  return write_all(STDOUT_FILENO, answer.bytes + start + 1, length) ? IO_FAILURE : code;
}

static int without_agent(const char *command) {
  static const char down[] = "the weft agent does not answer";
  if (!strcmp(command, "VERSION")) {
    printf("{\"cniVersion\":\"1.1.0\",\"supportedVersions\":%s}\n", versions);
    return 0;
  }
  return fail(strcmp(command, "STATUS") ? TRY_AGAIN : UNAVAILABLE, down, "systemctl status weft@agent");
}

int main(int count, char **arguments) {
  struct text request = {0};
  const char *directory = getenv("WEFT_RUN_DIR"), *command = variable("CNI_COMMAND");
  char note[4096];
  int fd, code = -1, is_del = !strcmp(command, "DEL");
  if (count > 0 && is_loopback(arguments[0])) return loopback(command);
  if (!directory || !*directory) directory = "/run/weft";
  signal(SIGPIPE, SIG_IGN);
  for (char **entry = environ; *entry; entry++)
    if (!strncmp(*entry, "CNI_", 4)) append(&request, *entry, strlen(*entry) + 1);
  append(&request, "", 1);
  if (read_all(STDIN_FILENO, &request)) return fail(IO_FAILURE, "cannot read the configuration", strerror(errno));
  fd = connect_agent(directory);
  if (fd >= 0) code = ask(fd, &request);
  if (code >= 0) return code;
  /* An ADD that broke off failed for the runtime: what the agent made of it, or will have made, goes again. */
  if (fd >= 0 && !strcmp(command, "ADD")) leave_note(directory, note, sizeof note);
  if (!is_del) return without_agent(command);
  if (!is_id(variable("CNI_CONTAINERID")) || !is_interface(variable("CNI_IFNAME")))
    return fail(BAD_ENVIRONMENT, "CNI_CONTAINERID or CNI_IFNAME is missing or none", "");
  if (leave_note(directory, note, sizeof note))
    return fail(IO_FAILURE, "the weft agent does not answer, and DEL cannot be noted for it", strerror(errno));
  /* It listens first and reads the notes then: one that began to listen just now may have missed ours. */
  if (fd < 0 && (fd = connect_agent(directory)) >= 0 && (code = ask(fd, &request)) >= 0) {
    unlink(note);
    return code;
  }
  return 0;
}
