/* What the two plugins in one executable have in common: weft-cni.c has the bodies, loopback.c the other plugin. */
#ifndef WEFT_CNI_H
#define WEFT_CNI_H

#include <stddef.h>

/* CNI specification 1.1.0, "Error"; plugin unavailable is for STATUS. From 100 on they are ours: cni-error.ts. */
enum {
  INCOMPATIBLE_VERSION = 1,
  BAD_ENVIRONMENT = 4,
  IO_FAILURE = 5,
  DECODING_FAILURE = 6,
  BAD_NAMESPACE = 8,
  TRY_AGAIN = 11,
  UNAVAILABLE = 50,
  KERNEL = 100,
  CHECK_FAILED = 110,
};

struct text {
  char *bytes;
  size_t length, room;
};

void append(struct text *text, const void *bytes, size_t length);

/* Reads to the end; -1: it broke off. */
int read_all(int fd, struct text *text);

/* A variable of the environment; empty where it is missing. */
const char *variable(const char *name);

/*
 * Prints an error and returns the exit code. All texts are ours or the C library's: none has a character that JSON
 * would want escaped.
 */
int fail(int code, const char *message, const char *details);

/* Whether a program of this name is asked to be the plugin `loopback`. */
int is_loopback(const char *program);

/* The plugin `loopback`, for one verb. Returns the exit code. */
int loopback(const char *command);

#endif
