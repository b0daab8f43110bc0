/* symbols.cpp - what the program's own symbol table tells: its kernels by name, and its static shared variables.
 *
 * __global__ and __shared__ put tags into the mangled names (kernel.h). The table is that of the file this code lies in, the
 * emulated plug-in or a test program; it must not be stripped. */
#include "machine.h"
#include <cxxabi.h>
#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <map>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace emulator {

static const char KERNEL_TAG[] = "[abi:gr_kernel]", SHARED_TAG[] = "[abi:gr_shared]";

struct symbol_table {
    std::map<const void *, kernel_record> kernels;
    std::vector<shared_variable> shared;
};

static std::string demangled(const char *name)
{
    int status = 0;
    char *text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
    std::string result = status == 0 ? text : name;
    free(text);
    return result;
}

/* "void unary[abi:gr_kernel]<exp, float>(float*, ...)" gives "unary" and "unary<exp, float>". */
static kernel_record record_of(const std::string &symbol)
{
    size_t tag = symbol.find(KERNEL_TAG), end = tag + sizeof KERNEL_TAG - 1;
    size_t start = symbol.find_last_of(": ", tag);
    start = start == std::string::npos ? 0 : start + 1;
    int depth = 0;
    size_t stop = end;
    while (stop < symbol.size() && (depth > 0 || symbol[stop] != '(')) {
        depth += symbol[stop] == '<' ? 1 : symbol[stop] == '>' ? -1 : 0;
        stop++;
    }
    kernel_record record;
    record.name = symbol.substr(start, tag - start);
    record.full_name = record.name + symbol.substr(end, stop - end);
    return record;
}

/* g++ leaves the tag out of the names of templates that stand in no namespace: "_Z11fill_kernelI..." has none. */
static bool is_untagged_kernel(const char *name)
{
    const char end[] = "_kernel";
    char *base;
    if (strncmp(name, "_Z", 2) != 0 || !isdigit((unsigned char)name[2])) return false;
    const size_t length = strtoul(name + 2, &base, 10), rest = sizeof end - 1;
    return strlen(base) > length && length > rest && base[length] == 'I' && !strncmp(base + length - rest, end, rest);
}

static void note_symbol(symbol_table *table, const char *name, char *address, size_t bytes, int type)
{
    if (type == STT_FUNC && strstr(name, "B9gr_kernel")) {
        std::string text = demangled(name);
        /* Local symbols of a kernel (a lambda in it) hold its tag too. */
        if (text.find("::{lambda") == std::string::npos && text.find(KERNEL_TAG) != std::string::npos) {
            table->kernels.emplace(address, record_of(text));
        }
    } else if (type == STT_FUNC && is_untagged_kernel(name)) {
        std::string text = demangled(name);
        table->kernels.emplace(address, record_of(text.insert(text.find('<'), KERNEL_TAG)));
    } else if (type == STT_OBJECT && strstr(name, "B9gr_shared") && bytes) {
        std::string text = demangled(name);
        if (text.size() > sizeof SHARED_TAG && text.compare(text.size() - sizeof SHARED_TAG + 1, std::string::npos, SHARED_TAG) == 0) {
            table->shared.push_back({(unsigned char *)address, bytes});
        }
    }
}

static void read_symbols(symbol_table *table, const char *file, size_t bytes, char *base)
{
    auto *header = (const ElfW(Ehdr) *)(const void *)file;
    auto *section = (const ElfW(Shdr) *)(const void *)(file + header->e_shoff);
    for (int i = 0; i < header->e_shnum; i++) {
        if (section[i].sh_type != SHT_SYMTAB || section[i].sh_offset + section[i].sh_size > bytes) {
            continue;
        }
        auto *symbol = (const ElfW(Sym) *)(const void *)(file + section[i].sh_offset);
        const char *names = file + section[section[i].sh_link].sh_offset;
        for (size_t k = 0; k < section[i].sh_size / sizeof *symbol; k++) {
            if (symbol[k].st_shndx != SHN_UNDEF) {
                note_symbol(table, names + symbol[k].st_name, base + symbol[k].st_value, symbol[k].st_size,
                            ELF64_ST_TYPE(symbol[k].st_info));
            }
        }
    }
}

struct module_file {
    std::string path;
    char *base;
};
static int find_module(dl_phdr_info *info, size_t, void *data)
{
    auto here = (ElfW(Addr))(const void *)&find_module;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &part = info->dlpi_phdr[i];
        ElfW(Addr) start = info->dlpi_addr + part.p_vaddr;
        if (part.p_type == PT_LOAD && here >= start && here < start + part.p_memsz) {
            bool program = !info->dlpi_name || !*info->dlpi_name;
            *(module_file *)data = {program ? "/proc/self/exe" : info->dlpi_name, (char *)info->dlpi_addr};
            return 1;
        }
    }
    return 0;
}

static symbol_table *read_table()
{
    auto *table = new symbol_table(); /* lives as long as the program */
    module_file module = {};
    dl_iterate_phdr(find_module, &module);
    int fd = open(module.path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info = {};
    if (fd >= 0 && fstat(fd, &info) == 0) {
        size_t bytes = (size_t)info.st_size;
        void *file = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            read_symbols(table, (const char *)file, bytes, module.base);
            munmap(file, bytes);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    for (const shared_variable &v : table->shared) {
        memset(v.start, UNSET, v.bytes);
    }
    return table;
}
static symbol_table &table()
{
    static symbol_table *read = read_table();
    return *read;
}
/* At the start, while a relative path of the module is still right. */
__attribute__((constructor)) static void read_at_start()
{
    table();
}

kernel_record &kernel_at(const void *address, const char *text)
{
    auto found = table().kernels.find(address);
    if (found == table().kernels.end()) { /* a stripped program */
        kernel_record record;
        record.name = record.full_name = text;
        found = table().kernels.emplace(address, record).first;
    }
    return found->second;
}

std::vector<kernel_record *> all_kernels()
{
    std::vector<kernel_record *> all;
    for (auto &entry : table().kernels) {
        all.push_back(&entry.second);
    }
    return all;
}

const std::vector<shared_variable> &shared_variables()
{
    return table().shared;
}

} // namespace emulator
