;; The smallest module: nothing in, nothing out.
(module)
