/* A PKCS#11 module (v2.40, Linux) that forwards every call to another one, writes the call down, and
 * misbehaves on order.
 *
 * PKCS11_REAL   path of the module behind it
 * PKCS11_CALLS  file to which each call is appended: "FUNCTION PID\n"
 * PKCS11_PLAN   file of lines "FUNCTION FROM UNTIL WHAT", read at each call: the FROM-th (from 1) to the
 *               UNTIL-th call of a function, counted over all processes, does WHAT in place of its work, or
 *               after it with the prefix "after-":
 *
 *   sleep    never return          print    write to standard output and standard error
 *   crash    dereference NULL      exit     end the process with code 3
 *   kill     SIGKILL to oneself    0xNN     return this code
 *   huge     claim that the attribute has 2^30 bytes (C_GetAttributeValue)
 *   flip     give back an attribute with its last byte changed (C_GetAttributeValue)
 *
 * Two more names may stand for FUNCTION: "load" is the loading of the library, "C_GetFunctionList" the
 * making of the list, which knows also "none" (no list), "version-3" and "without-FUNCTION".
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef unsigned long word;
/* Every function has at most eight arguments, each at most a word: more than it takes do no harm. */
typedef word (*function)(word, word, word, word, word, word, word, word);

struct attribute {
    word type;
    unsigned char *value;
    word size;
};

#define FUNCTIONS(X)                                                                                         \
    X(C_Initialize) X(C_Finalize) X(C_GetInfo) X(C_GetFunctionList) X(C_GetSlotList) X(C_GetSlotInfo)        \
    X(C_GetTokenInfo) X(C_GetMechanismList) X(C_GetMechanismInfo) X(C_InitToken) X(C_InitPIN) X(C_SetPIN)    \
    X(C_OpenSession) X(C_CloseSession) X(C_CloseAllSessions) X(C_GetSessionInfo) X(C_GetOperationState)      \
    X(C_SetOperationState) X(C_Login) X(C_Logout) X(C_CreateObject) X(C_CopyObject) X(C_DestroyObject)       \
    X(C_GetObjectSize) X(C_GetAttributeValue) X(C_SetAttributeValue) X(C_FindObjectsInit) X(C_FindObjects)   \
    X(C_FindObjectsFinal) X(C_EncryptInit) X(C_Encrypt) X(C_EncryptUpdate) X(C_EncryptFinal)                 \
    X(C_DecryptInit) X(C_Decrypt) X(C_DecryptUpdate) X(C_DecryptFinal) X(C_DigestInit) X(C_Digest)           \
    X(C_DigestUpdate) X(C_DigestKey) X(C_DigestFinal) X(C_SignInit) X(C_Sign) X(C_SignUpdate) X(C_SignFinal) \
    X(C_SignRecoverInit) X(C_SignRecover) X(C_VerifyInit) X(C_Verify) X(C_VerifyUpdate) X(C_VerifyFinal)     \
    X(C_VerifyRecoverInit) X(C_VerifyRecover) X(C_DigestEncryptUpdate) X(C_DecryptDigestUpdate)              \
    X(C_SignEncryptUpdate) X(C_DecryptVerifyUpdate) X(C_GenerateKey) X(C_GenerateKeyPair) X(C_WrapKey)       \
    X(C_UnwrapKey) X(C_DeriveKey) X(C_SeedRandom) X(C_GenerateRandom) X(C_GetFunctionStatus)                 \
    X(C_CancelFunction) X(C_WaitForSlotEvent)

#define INDEX(name) INDEX_##name,
enum { FUNCTIONS(INDEX) COUNT };

struct list {
    unsigned char version[2];
    void *functions[COUNT];
};

static struct list ours;
static const struct list *real;

static void fail(const char *what)
{
    perror(what);
    _exit(99);
}

/* How often a function was called, by what is written down. */
static int counted(FILE *calls, const char *name)
{
    char other[80];
    int number = 0, pid;
    rewind(calls);
    while (fscanf(calls, "%79s %d", other, &pid) == 2)
        number += !strcmp(other, name);
    return number;
}

/* Writes the call down and finds what it is to do; empty for nothing but its work. The file of the calls is
 * locked all the while: a plan that is made with that lock is made between two calls. */
static void planned(const char *name, char what[64])
{
    const char *path = getenv("PKCS11_CALLS"), *plan = getenv("PKCS11_PLAN");
    FILE *calls = fopen(path ? path : "", "a+"), *file;
    char function[64], order[64];
    int number = -1, first, last;
    if (!calls)
        fail("PKCS11_CALLS");
    if (flock(fileno(calls), LOCK_EX))
        fail("flock");
    fprintf(calls, "%s %d\n", name, (int)getpid());
    fflush(calls);
    what[0] = 0;
    file = plan ? fopen(plan, "r") : NULL;
    while (file && fscanf(file, "%63s %d %d %63s", function, &first, &last, order) == 4) {
        if (strcmp(function, name))
            continue;
        if (number < 0)
            number = counted(calls, name);
        if (first <= number && number <= last)
            strcpy(what, order);
    }
    if (file)
        fclose(file);
    fclose(calls);
}

/* Does it; a return code, or 0 where the call goes on. */
static word misbehave(const char *what, struct attribute *attribute)
{
    if (!strcmp(what, "sleep"))
        for (;;)
            pause();
    else if (!strcmp(what, "crash"))
        *(volatile int *)NULL = 0;
    else if (!strcmp(what, "kill"))
        kill(getpid(), SIGKILL);
    else if (!strcmp(what, "exit"))
        exit(3);
    else if (!strcmp(what, "print")) {
        dprintf(1, "{\"done\": {}}\n");
        dprintf(2, "the module prints\n");
    } else if (!strcmp(what, "huge"))
        attribute->size = 1ul << 30;
    else if (!strcmp(what, "flip")) {
        if (attribute->value && attribute->size)
            attribute->value[attribute->size - 1] ^= 1;
    } else
        return strtoul(what, NULL, 16);
    return 0;
}

static word called(int index, const char *name, word a, word b, word c, word d, word e, word f, word g, word h)
{
    struct attribute *attribute = index == INDEX_C_GetAttributeValue ? (struct attribute *)c : NULL;
    char what[64];
    word code, ordered;
    int after;
    planned(name, what);
    after = !strncmp(what, "after-", 6);
    if (what[0] && !after && (code = misbehave(what, attribute)))
        return code;
    code = ((function)real->functions[index])(a, b, c, d, e, f, g, h);
    if (after && (ordered = misbehave(what + 6, attribute)))
        return ordered;
    return code;
}

#define FORWARD(name)                                                                      \
    static word ours_##name(word a, word b, word c, word d, word e, word f, word g, word h) \
    {                                                                                      \
        return called(INDEX_##name, #name, a, b, c, d, e, f, g, h);                        \
    }
FUNCTIONS(FORWARD)

word C_GetFunctionList(struct list **found)
{
    char what[64];
    word code;
    planned("C_GetFunctionList", what);
#define MEMBER(name)                                                                              \
    ours.functions[INDEX_##name] =                                                                \
        !strncmp(what, "without-", 8) && !strcmp(what + 8, #name) ? NULL : (void *)ours_##name;
    FUNCTIONS(MEMBER)
    memcpy(ours.version, real->version, sizeof ours.version);
    *found = &ours;
    if (!strcmp(what, "none"))
        *found = NULL;
    else if (!strcmp(what, "version-3"))
        ours.version[0] = 3;
    else if (what[0] && strncmp(what, "without-", 8) && (code = misbehave(what, NULL)))
        return code;
    return 0;
}

__attribute__((constructor)) static void load(void)
{
    const char *path = getenv("PKCS11_REAL");
    char what[64];
    void *library;
    word (*get_list)(const struct list **);
    planned("load", what);
    if (what[0])
        misbehave(what, NULL);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail("PKCS11_REAL");
    get_list = (word(*)(const struct list **))dlsym(library, "C_GetFunctionList");
    if (!get_list || get_list(&real))
        fail("C_GetFunctionList");
}
