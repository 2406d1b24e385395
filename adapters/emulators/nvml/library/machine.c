/* Reads and writes the pretended machine, and finds what a handle stands for. */

#define _GNU_SOURCE
#include "machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE 2048

int running = 0;

static machine_t machine;
static struct stat seen;
static int is_read = 0, lock = -1;

/* Handles are addresses inside these arrays: they say who, not how. */
static char gpu_handles[MAX], slice_handles[MAX * GI_PER_GPU * CI_PER_GI];

static void text_of(const char *line, const char *key, char *out, size_t size) {
    char wanted[40];
    snprintf(wanted, sizeof wanted, " %s=", key);
    const char *found = strstr(line, wanted);
    out[0] = 0;
    if (!found) return;
    found += strlen(wanted);
    size_t length = strcmp(key, "name") == 0 ? strcspn(found, "\n") : strcspn(found, " \n");
    if (length >= size) length = size - 1;
    memcpy(out, found, length);
    out[length] = 0;
}

static number number_of(const char *line, const char *key) {
    char text[40];
    text_of(line, key, text, sizeof text);
    return text[0] == 0 || text[0] == '-' ? UNKNOWN : strtoull(text, NULL, 10);
}

#define READ_TEXT(key, size) text_of(line, #key, thing->key, size);
#define READ_NUMBER(key) thing->key = number_of(line, #key);
#define READ(kind, type, list, count, most, TEXTS, NUMBERS)                          \
    else if (strncmp(line, kind " ", sizeof kind) == 0 && m->count < (most)) {       \
        type *thing = &m->list[m->count++];                                          \
        TEXTS(READ_TEXT) NUMBERS(READ_NUMBER)                                        \
    }

static void parse(FILE *file, machine_t *m) {
    char line[LINE];
    memset(m, 0, sizeof *m);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "machine ", 8) == 0) {
            host_t *thing = &m->host;
            MACHINE_TEXTS(READ_TEXT) MACHINE_NUMBERS(READ_NUMBER)
        }
        READ("gpu", gpu_t, gpus, n_gpus, MAX, GPU_TEXTS, GPU_NUMBERS)
        READ("profile", profile_t, profiles, n_profiles, MAX_PROFILES, PROFILE_TEXTS, PROFILE_NUMBERS)
        READ("gi", gi_t, gis, n_gis, MAX_PARTS, GI_TEXTS, GI_NUMBERS)
        READ("ci", ci_t, cis, n_cis, MAX_PARTS, CI_TEXTS, CI_NUMBERS)
        READ("process", process_t, processes, n_processes, MAX_PARTS, PROCESS_TEXTS, PROCESS_NUMBERS)
        READ("link", link_t_, links, n_links, MAX * MAX_LINKS, LINK_TEXTS, LINK_NUMBERS)
        READ("ancestor", ancestor_t, ancestors, n_ancestors, MAX * MAX, ANCESTOR_TEXTS, ANCESTOR_NUMBERS)
        READ("event", event_t, events, n_events, MAX_EVENTS, EVENT_TEXTS, EVENT_NUMBERS)
    }
}

machine_t *read_machine(void) {
    const char *path = getenv("SHARY_FAKE_NVML");
    struct stat now;
    if (!path || stat(path, &now) != 0) return NULL;
    if (is_read && now.st_ino == seen.st_ino && now.st_dev == seen.st_dev && now.st_size == seen.st_size &&
        now.st_mtim.tv_sec == seen.st_mtim.tv_sec && now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)
        return &machine;
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    /* Not by path: the file may have been replaced in between. */
    fstat(fileno(file), &seen);
    parse(file, &machine);
    fclose(file);
    is_read = 1;
    return &machine;
}

machine_t *begin_change(void) {
    const char *path = getenv("SHARY_FAKE_NVML");
    char name[1024];
    if (!path) return NULL;
    snprintf(name, sizeof name, "%s.lock", path);
    lock = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (lock >= 0) flock(lock, LOCK_EX);
    machine_t *m = read_machine();
    if (!m) drop_change();
    return m;
}

void drop_change(void) {
    if (lock >= 0) close(lock);
    lock = -1;
}

static void write_number(FILE *file, const char *key, number value) {
    if (value == UNKNOWN) fprintf(file, " %s=-", key);
    else fprintf(file, " %s=%llu", key, value);
}

static void write_text(FILE *file, const char *key, const char *value, int last) {
    if (last == (strcmp(key, "name") == 0)) fprintf(file, " %s=%s", key, value);
}

#define WRITE_TEXT(key, size) write_text(file, #key, thing->key, 0);
#define WRITE_NAME(key, size) write_text(file, #key, thing->key, 1);
#define WRITE_NUMBER(key) write_number(file, #key, thing->key);
#define WRITE(kind, type, list, count, TEXTS, NUMBERS)                   \
    for (unsigned int i = 0; i < m->count; i++) {                        \
        const type *thing = &m->list[i];                                 \
        (void)thing;                                                     \
        fputs(kind, file);                                               \
        TEXTS(WRITE_TEXT) NUMBERS(WRITE_NUMBER) TEXTS(WRITE_NAME)        \
        fputc('\n', file);                                               \
    }

void end_change(void) {
    const machine_t *m = &machine;
    char draft[1024];
    const char *path = getenv("SHARY_FAKE_NVML");
    snprintf(draft, sizeof draft, "%s.%ld.new", path, (long)getpid());
    FILE *file = fopen(draft, "w");
    if (file) {
        const host_t *thing = &m->host;
        fputs("machine", file);
        MACHINE_TEXTS(WRITE_TEXT) MACHINE_NUMBERS(WRITE_NUMBER)
        fputc('\n', file);
        WRITE("gpu", gpu_t, gpus, n_gpus, GPU_TEXTS, GPU_NUMBERS)
        WRITE("profile", profile_t, profiles, n_profiles, PROFILE_TEXTS, PROFILE_NUMBERS)
        WRITE("gi", gi_t, gis, n_gis, GI_TEXTS, GI_NUMBERS)
        WRITE("ci", ci_t, cis, n_cis, CI_TEXTS, CI_NUMBERS)
        WRITE("process", process_t, processes, n_processes, PROCESS_TEXTS, PROCESS_NUMBERS)
        WRITE("link", link_t_, links, n_links, LINK_TEXTS, LINK_NUMBERS)
        WRITE("ancestor", ancestor_t, ancestors, n_ancestors, ANCESTOR_TEXTS, ANCESTOR_NUMBERS)
        WRITE("event", event_t, events, n_events, EVENT_TEXTS, EVENT_NUMBERS)
        fflush(file);
        /* The clock of files is coarse: without this, two changes in a moment look like one. */
        struct timespec now[2];
        clock_gettime(CLOCK_REALTIME, &now[0]);
        now[1] = now[0];
        futimens(fileno(file), now);
        fclose(file);
        rename(draft, path);
    }
    is_read = 0;
    drop_change();
}

void wait_for_driver(const machine_t *m) {
    if (!m || m->host.latency_us == UNKNOWN || m->host.latency_us == 0) return;
    /* Turning round instead of sleeping: a sleep takes 50 us more than asked for. */
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * 1000000000LL + now.tv_nsec - from.tv_nsec < (long long)m->host.latency_us * 1000);
}

nvmlDevice_t gpu_handle(unsigned int gpu) { return (nvmlDevice_t)(gpu_handles + gpu); }

nvmlDevice_t slice_handle(const ci_t *ci) {
    return (nvmlDevice_t)(slice_handles + (ci->gpu * GI_PER_GPU + ci->gi) * CI_PER_GI + ci->id);
}

nvmlReturn_t find(nvmlDevice_t device, machine_t *m, found_t *found) {
    const char *handle = (const char *)device;
    memset(found, 0, sizeof *found);
    if (!m) return NVML_ERROR_DRIVER_NOT_LOADED;
    if (handle >= gpu_handles && handle < gpu_handles + sizeof gpu_handles) {
        found->index = (unsigned int)(handle - gpu_handles);
    } else if (handle >= slice_handles && handle < slice_handles + sizeof slice_handles) {
        size_t place = (size_t)(handle - slice_handles);
        unsigned int id = place % CI_PER_GI, gi = place / CI_PER_GI % GI_PER_GPU;
        found->index = (unsigned int)(place / CI_PER_GI / GI_PER_GPU);
        for (unsigned int i = 0; i < m->n_cis; i++)
            if (m->cis[i].gpu == found->index && m->cis[i].gi == gi && m->cis[i].id == id) found->ci = &m->cis[i];
        for (unsigned int i = 0; i < m->n_gis; i++)
            if (m->gis[i].gpu == found->index && m->gis[i].id == gi) found->gi = &m->gis[i];
        /* The slice was taken away after the handle was given. */
        if (!found->ci || !found->gi) return NVML_ERROR_INVALID_ARGUMENT;
        found->profile = profile_by_id(m, found->index, found->gi->profile);
    } else {
        return NVML_ERROR_INVALID_ARGUMENT;
    }
    if (found->index >= m->n_gpus || m->gpus[found->index].lost == 1) return NVML_ERROR_GPU_IS_LOST;
    found->gpu = &m->gpus[found->index];
    return NVML_SUCCESS;
}

profile_t *profile_by_id(machine_t *m, unsigned int gpu, number id) {
    for (unsigned int i = 0; i < m->n_profiles; i++)
        if (m->profiles[i].gpu == gpu && m->profiles[i].id == id) return &m->profiles[i];
    return NULL;
}

int has_profiles(const machine_t *m, unsigned int gpu) {
    for (unsigned int i = 0; i < m->n_profiles; i++)
        if (m->profiles[i].gpu == gpu) return 1;
    return 0;
}

int is_in_use(const machine_t *m, unsigned int gpu, number gi) {
    for (unsigned int i = 0; i < m->n_processes; i++)
        if (m->processes[i].gpu == gpu && (gi == UNKNOWN || m->processes[i].gi == gi)) return 1;
    return 0;
}

void split_pci(const char *text, unsigned int part[4]) {
    part[0] = part[1] = part[2] = part[3] = 0;
    if (sscanf(text, "%x:%x:%x.%x", &part[0], &part[1], &part[2], &part[3]) < 4) {
        part[0] = part[3] = 0;
        sscanf(text, "%x:%x.%x", &part[1], &part[2], &part[3]);
    }
}

void fill_pci(const char *text, nvmlPciInfo_t *pci) {
    unsigned int part[4];
    split_pci(text, part);
    memset(pci, 0, sizeof *pci);
    pci->domain = part[0];
    pci->bus = part[1];
    pci->device = part[2];
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.%X", part[0], part[1], part[2], part[3]);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.%X", part[0] & 0xffff, part[1] & 0xff,
             part[2] & 0xff, part[3] & 0xf);
}

nvmlReturn_t put(char *out, unsigned int length, const char *text) {
    if (strlen(text) >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(out, text);
    return NVML_SUCCESS;
}
