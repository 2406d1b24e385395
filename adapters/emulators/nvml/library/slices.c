/* Slices of a card (MIG): what it offers, what is there, make, take away. */

#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char gi_handles[MAX * GI_PER_GPU], ci_handles[MAX * GI_PER_GPU * CI_PER_GI];
static const unsigned int CI_SLICES[] = {1, 2, 3, 4, 7};
#define CI_PROFILES (sizeof CI_SLICES / sizeof CI_SLICES[0])

static nvmlGpuInstance_t gi_handle(const gi_t *gi) { return (nvmlGpuInstance_t)(gi_handles + gi->gpu * GI_PER_GPU + gi->id); }

static nvmlComputeInstance_t ci_handle(const ci_t *ci) {
    return (nvmlComputeInstance_t)(ci_handles + (ci->gpu * GI_PER_GPU + ci->gi) * CI_PER_GI + ci->id);
}

static gi_t *gi_of(machine_t *m, nvmlGpuInstance_t handle) {
    size_t place = (size_t)((const char *)handle - gi_handles);
    if ((const char *)handle < gi_handles || place >= sizeof gi_handles) return NULL;
    for (unsigned int i = 0; i < m->n_gis; i++)
        if (m->gis[i].gpu == place / GI_PER_GPU && m->gis[i].id == place % GI_PER_GPU) return &m->gis[i];
    return NULL;
}

static ci_t *ci_of(machine_t *m, nvmlComputeInstance_t handle) {
    size_t place = (size_t)((const char *)handle - ci_handles);
    if ((const char *)handle < ci_handles || place >= sizeof ci_handles) return NULL;
    for (unsigned int i = 0; i < m->n_cis; i++) {
        ci_t *ci = &m->cis[i];
        if (ci->gpu == place / CI_PER_GI / GI_PER_GPU && ci->gi == place / CI_PER_GI % GI_PER_GPU && ci->id == place % CI_PER_GI)
            return ci;
    }
    return NULL;
}

static unsigned int starts_of(const profile_t *profile, unsigned int *starts) {
    char text[64], *rest = NULL;
    unsigned int count = 0;
    snprintf(text, sizeof text, "%s", profile->starts);
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) starts[count++] = (unsigned int)atoi(word);
    return count;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending) {
    ASK_CARD(device);
    if (!has_profiles(m, f.index)) return NVML_ERROR_NOT_SUPPORTED;
    *current = f.gpu->mig == 1;
    *pending = f.gpu->mig_pending == UNKNOWN ? *current : (unsigned int)f.gpu->mig_pending;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count) {
    LOOK(device);
    CARDS_ONLY;
    *count = 0;
    for (unsigned int i = 0; i < m->n_profiles; i++)
        if (m->profiles[i].gpu == f.index && m->profiles[i].most > *count) *count = (unsigned int)m->profiles[i].most;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *part) {
    LOOK(device);
    CARDS_ONLY;
    unsigned int seen = 0;
    if (f.gpu->mig != 1) return NVML_ERROR_NOT_SUPPORTED;
    for (unsigned int i = 0; i < m->n_cis; i++) {
        if (m->cis[i].gpu == f.index && seen++ == index) {
            *part = slice_handle(&m->cis[i]);
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_slice) {
    LOOK(device);
    *is_slice = f.ci != NULL;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t part, nvmlDevice_t *device) {
    LOOK(part);
    if (!f.ci) return NVML_ERROR_INVALID_ARGUMENT;
    *device = gpu_handle(f.index);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id) {
    LOOK(device);
    if (!f.ci) return NVML_ERROR_NOT_SUPPORTED;
    *id = (unsigned int)f.gi->id;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id) {
    LOOK(device);
    if (!f.ci) return NVML_ERROR_NOT_SUPPORTED;
    *id = (unsigned int)f.ci->id;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes) {
    LOOK(device);
    if (!f.ci || !f.profile) return NVML_ERROR_NOT_SUPPORTED;
    memset(attributes, 0, sizeof *attributes);
    attributes->multiprocessorCount = (unsigned int)f.profile->sms;
    attributes->gpuInstanceSliceCount = (unsigned int)f.profile->slices;
    attributes->computeInstanceSliceCount = (unsigned int)f.ci->slices;
    attributes->memorySizeMB = f.profile->memory_mib;
    return NVML_SUCCESS;
}

/* Only root, and only of a card that can be cut; with `must_be_on` only while MIG is. */
static nvmlReturn_t allowed(const machine_t *m, const found_t *f, int must_be_on) {
    if (!has_profiles(m, f->index)) return NVML_ERROR_NOT_SUPPORTED;
    if (m->host.root != 1) return NVML_ERROR_NO_PERMISSION;
    return must_be_on && f->gpu->mig != 1 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

#define ALLOWED(must_be_on)                                    \
    nvmlReturn_t may = allowed(m, &f, must_be_on);             \
    if (may != NVML_SUCCESS) return may

EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_v2_t *info) {
    ASK_CARD(device);
    if (info->version != nvmlGpuInstanceProfileInfo_v2) return NVML_ERROR_INVALID_ARGUMENT;
    if (profile >= NVML_GPU_INSTANCE_PROFILE_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
    if (f.gpu->mig != 1) return NVML_ERROR_NOT_SUPPORTED;
    for (unsigned int i = 0; i < m->n_profiles; i++) {
        const profile_t *found = &m->profiles[i];
        if (found->gpu != f.index || found->index != profile) continue;
        unsigned int version = info->version;
        memset(info, 0, sizeof *info);
        info->version = version;
        info->id = (unsigned int)found->id;
        info->sliceCount = (unsigned int)found->slices;
        info->instanceCount = (unsigned int)found->most;
        info->multiprocessorCount = (unsigned int)found->sms;
        info->memorySizeMB = found->memory_mib;
        return put(info->name, sizeof info->name, found->name);
    }
    return NVML_ERROR_NOT_SUPPORTED;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t device, unsigned int id, nvmlGpuInstancePlacement_t *places,
                                                                  unsigned int *count) {
    unsigned int starts[32];
    ASK_CARD(device);
    ALLOWED(0);
    const profile_t *profile = profile_by_id(m, f.index, id);
    if (!profile) return NVML_ERROR_INVALID_ARGUMENT;
    unsigned int found = starts_of(profile, starts);
    for (unsigned int i = 0; places && i < found && i < *count; i++) {
        places[i].start = starts[i];
        places[i].size = (unsigned int)profile->size;
    }
    *count = found;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instances, unsigned int *count) {
    ASK_CARD(device);
    ALLOWED(1);
    if (!profile_by_id(m, f.index, id)) return NVML_ERROR_INVALID_ARGUMENT;
    *count = 0;
    for (unsigned int i = 0; i < m->n_gis; i++)
        if (m->gis[i].gpu == f.index && m->gis[i].profile == id) instances[(*count)++] = gi_handle(&m->gis[i]);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instance) {
    ASK_CARD(device);
    ALLOWED(1);
    for (unsigned int i = 0; i < m->n_gis; i++) {
        if (m->gis[i].gpu != f.index || m->gis[i].id != id) continue;
        *instance = gi_handle(&m->gis[i]);
        return NVML_SUCCESS;
    }
    return NVML_ERROR_NOT_FOUND;
}

#define INSTANCE(handle)                                                   \
    machine_t *m = running ? read_machine() : NULL;                        \
    if (!running) return NVML_ERROR_UNINITIALIZED;                         \
    if (!m) return NVML_ERROR_DRIVER_NOT_LOADED;                           \
    wait_for_driver(m);                                                    \
    gi_t *gi = gi_of(m, handle);                                           \
    if (!gi) return NVML_ERROR_INVALID_ARGUMENT;                           \
    if (m->gpus[gi->gpu].lost == 1) return NVML_ERROR_GPU_IS_LOST;         \
    profile_t *profile = profile_by_id(m, (unsigned int)gi->gpu, gi->profile)

EXPORT nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t instance, nvmlGpuInstanceInfo_t *info) {
    INSTANCE(instance);
    info->device = gpu_handle((unsigned int)gi->gpu);
    info->id = (unsigned int)gi->id;
    info->profileId = (unsigned int)gi->profile;
    info->placement.start = (unsigned int)gi->start;
    info->placement.size = profile ? (unsigned int)profile->size : 0;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t instance, unsigned int number_, unsigned int engine,
                                                                  nvmlComputeInstanceProfileInfo_v2_t *info) {
    INSTANCE(instance);
    if (info->version != nvmlComputeInstanceProfileInfo_v2 || engine != 0) return NVML_ERROR_INVALID_ARGUMENT;
    if (number_ >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
    if (number_ >= CI_PROFILES || CI_SLICES[number_] > profile->slices) return NVML_ERROR_NOT_SUPPORTED;
    unsigned int version = info->version;
    memset(info, 0, sizeof *info);
    info->version = version;
    info->id = number_;
    info->sliceCount = CI_SLICES[number_];
    info->instanceCount = (unsigned int)profile->slices / CI_SLICES[number_];
    info->multiprocessorCount = (unsigned int)(profile->sms * CI_SLICES[number_] / profile->slices);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t instance, unsigned int id, nvmlComputeInstance_t *found,
                                                       unsigned int *count) {
    INSTANCE(instance);
    (void)profile;
    if (m->host.root != 1) return NVML_ERROR_NO_PERMISSION;
    *count = 0;
    for (unsigned int i = 0; i < m->n_cis; i++)
        if (m->cis[i].gpu == gi->gpu && m->cis[i].gi == gi->id && m->cis[i].profile == id) found[(*count)++] = ci_handle(&m->cis[i]);
    return NVML_SUCCESS;
}

#define REFUSE_IF(condition, error) if (condition) { drop_change(); return error; }

static int overlaps(machine_t *m, const gi_t *other, unsigned int start, number size) {
    const profile_t *profile = profile_by_id(m, (unsigned int)other->gpu, other->profile);
    return profile && other->start < start + size && start < other->start + profile->size;
}

EXPORT nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t device, unsigned int id, const nvmlGpuInstancePlacement_t *place,
                                                             nvmlGpuInstance_t *instance) {
    found_t f;
    unsigned int starts[32], count = 0, is_possible = 0;
    number free_id = id == 0 ? 0 : 1;
    if (!running) return NVML_ERROR_UNINITIALIZED;
    machine_t *m = begin_change();
    nvmlReturn_t looked = find(device, m, &f);
    REFUSE_IF(looked != NVML_SUCCESS, looked);
    wait_for_driver(m);
    looked = allowed(m, &f, 1);
    REFUSE_IF(looked != NVML_SUCCESS, looked);
    const profile_t *profile = profile_by_id(m, f.index, id);
    REFUSE_IF(!profile || !place, NVML_ERROR_INVALID_ARGUMENT);
    for (unsigned int i = 0, n = starts_of(profile, starts); i < n; i++) is_possible |= starts[i] == place->start;
    REFUSE_IF(!is_possible || place->size != profile->size, NVML_ERROR_INVALID_ARGUMENT);
    for (unsigned int i = 0; i < m->n_gis; i++) {
        if (m->gis[i].gpu != f.index) continue;
        count += m->gis[i].profile == id;
        REFUSE_IF(overlaps(m, &m->gis[i], place->start, place->size), NVML_ERROR_INSUFFICIENT_RESOURCES);
    }
    REFUSE_IF(count >= profile->most || f.gpu->creates_left == 0 || m->n_gis >= MAX_PARTS, NVML_ERROR_INSUFFICIENT_RESOURCES);
    if (f.gpu->creates_left != UNKNOWN) f.gpu->creates_left--;
    for (unsigned int i = 0; i < m->n_gis; i++)
        if (m->gis[i].gpu == f.index && m->gis[i].id == free_id) { free_id++; i = (unsigned int)-1; }
    gi_t *made = &m->gis[m->n_gis++];
    made->gpu = f.index;
    made->id = free_id;
    made->profile = id;
    made->start = place->start;
    *instance = gi_handle(made);
    end_change();
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t instance, unsigned int id, nvmlComputeInstance_t *made) {
    number used = 0, free_id = 0;
    char card[9];
    if (!running) return NVML_ERROR_UNINITIALIZED;
    machine_t *m = begin_change();
    if (!m) return NVML_ERROR_DRIVER_NOT_LOADED;
    wait_for_driver(m);
    gi_t *gi = gi_of(m, instance);
    REFUSE_IF(!gi, NVML_ERROR_INVALID_ARGUMENT);
    REFUSE_IF(m->host.root != 1, NVML_ERROR_NO_PERMISSION);
    const profile_t *profile = profile_by_id(m, (unsigned int)gi->gpu, gi->profile);
    REFUSE_IF(!profile || id >= CI_PROFILES || CI_SLICES[id] > profile->slices, NVML_ERROR_NOT_SUPPORTED);
    for (unsigned int i = 0; i < m->n_cis; i++)
        if (m->cis[i].gpu == gi->gpu && m->cis[i].gi == gi->id) used += m->cis[i].slices;
    REFUSE_IF(used + CI_SLICES[id] > profile->slices || m->n_cis >= MAX_PARTS, NVML_ERROR_INSUFFICIENT_RESOURCES);
    for (unsigned int i = 0; i < m->n_cis; i++)
        if (m->cis[i].gpu == gi->gpu && m->cis[i].gi == gi->id && m->cis[i].id == free_id) { free_id++; i = (unsigned int)-1; }
    memcpy(card, m->gpus[gi->gpu].uuid + 4, 8);
    card[8] = 0;
    ci_t *ci = &m->cis[m->n_cis++];
    ci->gpu = gi->gpu;
    ci->gi = gi->id;
    ci->id = free_id;
    ci->profile = id;
    ci->slices = CI_SLICES[id];
    ci->memory_mib = ci->used_mib = UNKNOWN;
    /* Made of the card's, the instance's and the place: the same cut gives the same names. */
    snprintf(ci->uuid, sizeof ci->uuid, "MIG-%s-%04llx-%04llx-%04llx-%012llx", card, gi->profile, gi->start, free_id,
             gi->id + 0x100 * gi->gpu);
    *made = ci_handle(ci);
    end_change();
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t instance) {
    if (!running) return NVML_ERROR_UNINITIALIZED;
    machine_t *m = begin_change();
    if (!m) return NVML_ERROR_DRIVER_NOT_LOADED;
    wait_for_driver(m);
    ci_t *ci = ci_of(m, instance);
    REFUSE_IF(!ci, NVML_ERROR_INVALID_ARGUMENT);
    REFUSE_IF(m->host.root != 1, NVML_ERROR_NO_PERMISSION);
    REFUSE_IF(is_in_use(m, (unsigned int)ci->gpu, ci->gi), NVML_ERROR_IN_USE);
    *ci = m->cis[--m->n_cis];
    end_change();
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t instance) {
    if (!running) return NVML_ERROR_UNINITIALIZED;
    machine_t *m = begin_change();
    if (!m) return NVML_ERROR_DRIVER_NOT_LOADED;
    wait_for_driver(m);
    gi_t *gi = gi_of(m, instance);
    REFUSE_IF(!gi, NVML_ERROR_INVALID_ARGUMENT);
    REFUSE_IF(m->host.root != 1, NVML_ERROR_NO_PERMISSION);
    REFUSE_IF(is_in_use(m, (unsigned int)gi->gpu, gi->id), NVML_ERROR_IN_USE);
    for (unsigned int i = 0; i < m->n_cis; i++)
        REFUSE_IF(m->cis[i].gpu == gi->gpu && m->cis[i].gi == gi->id, NVML_ERROR_IN_USE);
    *gi = m->gis[--m->n_gis];
    end_change();
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t instance, nvmlComputeInstanceInfo_t *info) {
    machine_t *m = running ? read_machine() : NULL;
    if (!running) return NVML_ERROR_UNINITIALIZED;
    if (!m) return NVML_ERROR_DRIVER_NOT_LOADED;
    const ci_t *ci = ci_of(m, instance);
    if (!ci) return NVML_ERROR_INVALID_ARGUMENT;
    memset(info, 0, sizeof *info);
    info->device = gpu_handle((unsigned int)ci->gpu);
    for (unsigned int i = 0; i < m->n_gis; i++)
        if (m->gis[i].gpu == ci->gpu && m->gis[i].id == ci->gi) info->gpuInstance = gi_handle(&m->gis[i]);
    info->id = (unsigned int)ci->id;
    info->profileId = (unsigned int)ci->profile;
    info->placement.size = (unsigned int)ci->slices;
    return NVML_SUCCESS;
}
