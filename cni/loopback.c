/*
 * The plugin `loopback`, which containerd wants beside any other network's: it takes the interface lo of a container
 * up. It asks no agent. What it prints is what the CNI project's plugin of this name does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "weft-cni.h"

/* Oldest first, as in versions.ts. */
static const char *const versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
enum { V0_4_0 = 2, V1_0_0 = 3, V1_1_0 = 4, VERSIONS = 5 };

/* Part of a JSON text. */
struct span {
  const char *start;
  int length;
};

int is_loopback(const char *program) {
  const char *slash = strrchr(program, '/');
  return !strcmp(slash ? slash + 1 : program, "loopback");
}

static const char *skip_space(const char *at) { return at + strspn(at, " \t\r\n"); }

/* Behind the string that begins here. */
static const char *skip_string(const char *at) {
  for (at++; *at && *at != '"'; at++)
    if (*at == '\\' && at[1]) at++;
  return *at ? at + 1 : at;
}

/* Behind the value that begins here, whatever it is. */
static const char *skip_value(const char *at) {
  int depth = 0;
  while (*at) {
    if (*at == '"') at = skip_string(at);
    else if (strchr("{[", *at)) depth++, at++;
    else if (strchr("}]", *at)) depth--, at++;
    else if (strchr(",:", *at)) at++;
    else at += strcspn(at, "\"{}[],:");
    if (depth <= 0) break;
  }
  return at;
}

/* The value of one of an object's own members; no length: it has none of this name. */
static struct span member(const char *object, const char *name) {
  const char *at = skip_space(object);
  size_t length = strlen(name);
  if (*at != '{') return (struct span){at, 0};
  for (at = skip_space(at + 1); *at == '"'; at = skip_space(at + 1)) {
    int found = !strncmp(at + 1, name, length) && at[1 + length] == '"';
    at = skip_space(skip_string(at));
    if (*at != ':') break;
    const char *value = skip_space(at + 1);
    at = skip_space(skip_value(value));
    if (found) return (struct span){value, at - value};
    if (*at != ',') break;
  }
  return (struct span){at, 0};
}

/* Which of the versions a configuration is in; -1: none of them. */
static int version_of(const char *config) {
  struct span text = member(config, "cniVersion");
  for (int i = 0; i < VERSIONS; i++) {
    int length = strlen(versions[i]);
    if (text.length >= length + 2 && !strncmp(text.start + 1, versions[i], length) && text.start[length + 1] == '"')
      return i;
  }
  return -1;
}

/* Goes into the container's namespace and returns a socket there; -1: it says why not. */
static int enter(const char *path) {
  int namespace = open(path, O_RDONLY | O_CLOEXEC), fd;
  if (namespace < 0 || setns(namespace, CLONE_NEWNET)) {
    fail(BAD_NAMESPACE, "cannot enter the container's network namespace", strerror(errno));
    return -1;
  }
  close(namespace);
  fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(KERNEL, "cannot open a socket in the container's network namespace", strerror(errno));
  return fd;
}

/* Where IPv6 is switched off lo has no ::1. */
static int has_ipv6(void) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

/* A result of a plugin before us is passed on as it is. */
static void print_result(const char *config, int version, const char *netns) {
  struct span before = member(config, "prevResult");
  int is_old = version < V1_0_0;
  if (before.length > 0 && *before.start == '{') {
    printf("%.*s\n", before.length, before.start);
    return;
  }
  printf("{\"cniVersion\":\"%s\",\"interfaces\":[{\"name\":\"lo\",\"mac\":\"00:00:00:00:00:00\",\"sandbox\":\"%s\"}],",
         versions[version], netns);
  printf("\"ips\":[{%s\"interface\":0,\"address\":\"127.0.0.1/8\"}", is_old ? "\"version\":\"4\"," : "");
  if (has_ipv6()) printf(",{%s\"interface\":0,\"address\":\"::1/128\"}", is_old ? "\"version\":\"6\"," : "");
  printf("],\"dns\":{}}\n");
}

static int add_or_check(int is_add, const char *config, int version) {
  const char *netns = variable("CNI_NETNS");
  struct ifreq lo = {.ifr_name = "lo"};
  int fd;
  /* The path goes into JSON as it is. */
  if (!*netns || strpbrk(netns, "\"\\\n\t\r")) return fail(BAD_ENVIRONMENT, "CNI_NETNS is missing or no path", "");
  fd = enter(netns);
  if (fd < 0) return 1;
  if (ioctl(fd, SIOCGIFFLAGS, &lo)) return fail(KERNEL, "the container has no interface lo", strerror(errno));
  if (!is_add) return lo.ifr_flags & IFF_UP ? 0 : fail(CHECK_FAILED, "lo of the container is down", "");
  lo.ifr_flags |= IFF_UP;
  if (ioctl(fd, SIOCSIFFLAGS, &lo)) return fail(KERNEL, "cannot take lo of the container up", strerror(errno));
  print_result(config, version, netns);
  return 0;
}

static int print_versions(void) {
  printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[", versions[VERSIONS - 1]);
  for (int i = 0; i < VERSIONS; i++) printf("%s\"%s\"", i ? "," : "", versions[i]);
  printf("]}\n");
  return 0;
}

int loopback(const char *command) {
  struct text config = {0};
  int version, is_add = !strcmp(command, "ADD"), is_check = !strcmp(command, "CHECK");
  int is_new = !strcmp(command, "GC") || !strcmp(command, "STATUS");
  /* lo goes with the namespace. In one that is shared it is not ours to take down. */
  if (!strcmp(command, "DEL")) return 0;
  if (!strcmp(command, "VERSION")) return print_versions();
  if (!is_add && !is_check && !is_new) return fail(BAD_ENVIRONMENT, "CNI_COMMAND is missing or no verb", "");
  if (read_all(STDIN_FILENO, &config)) return fail(IO_FAILURE, "cannot read the configuration", strerror(errno));
  append(&config, "", 1);
  if (*skip_space(config.bytes) != '{') return fail(DECODING_FAILURE, "the configuration is no JSON object", "");
  version = version_of(config.bytes);
  if (version < (is_new ? V1_1_0 : is_check ? V0_4_0 : 0))
    return fail(INCOMPATIBLE_VERSION, "cniVersion is missing, not supported or too old for the verb", "");
  return is_new ? 0 : add_or_check(is_add, config.bytes, version);
}
