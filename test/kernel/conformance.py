"""Jupyter's own kernel tests with every sample set: nothing is skipped. Run by conformance.test.ts."""

import unittest

import jupyter_kernel_test


class KvlabConformance(jupyter_kernel_test.KernelTests):
    kernel_name = "kvlab"
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('oops')"
    completion_samples = [
        {"text": "Number.isSaf", "matches": {"isSafeInteger"}},
        {"text": "'😀'; Number.isSaf", "matches": {"isSafeInteger"}},
    ]
    complete_code_samples = ["1", "const a = 5", "await Promise.resolve(1)", "type A<T> = T[]", "// note", ""]
    incomplete_code_samples = [
        "function f() {",
        "`open template",
        "foo(1,",
        "const x =",
        "/* open comment",
        "if (true) {\n  1",
        "[1, 2",
    ]
    invalid_code_samples = ["const = 5", "function 1() {}", "a b c", "'open quote"]
    code_page_something = "Math.max?"
    code_generate_error = "throw new Error('boom')"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "6 * 8", "result": "48"},
        {"code": "'a' + 'b'", "result": "'ab'"},
        {"code": "6 * 7", "result": "42"},
        {"code": "6 * 7 + 0", "result": "42"},
    ]
    code_display_data = [
        {"code": "display({ 'text/html': '<b>bold</b>' })", "mime": "text/html"},
        {"code": "display({ 'image/svg+xml': '<svg/>' })", "mime": "image/svg+xml"},
    ]
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "6 ? 7"
    code_inspect_sample = "Math.max"
    code_clear_output = "clearOutput()"


class KvlabWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "kvlab"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
