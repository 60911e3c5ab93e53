;; The smallest module: no imports, no exports.
(module)
