package coven;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.ForwardingJavaFileObject;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * Compiles a component: {@code coven.Build ROOT OUTPUT.jar SOURCE...}. Mistakes go to stderr, one a line:
 * FILE:LINE:COLUMN: FOUND | EXPECTED | REMEDY, files from ROOT, the package's folder.
 * Warnings likewise, after "warning: ".
 */
final class Build {
    /** A source without the byte order mark that editors put before it. */
    private static final class WithoutMark extends ForwardingJavaFileObject<JavaFileObject> {
        WithoutMark(JavaFileObject source) {
            super(source);
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) throws IOException {
            CharSequence text = super.getCharContent(ignoreEncodingErrors);
            return text.length() > 0 && text.charAt(0) == '\ufeff' ? text.subSequence(1, text.length()) : text;
        }
    }

    static final Attributes.Name COMPONENT = new Attributes.Name("Coven-Component");
    static final Attributes.Name SOURCES = new Attributes.Name("Coven-Sources");

    /** What authors are warned of; the rest is about class paths, tools and formats that a component has no use for. */
    private static final String LINT = "-Xlint:all,-classfile,-options,-path,-processing,-serial";

    private final Path root;
    private final List<Path> sources;
    private final List<Path> vendor;
    private boolean failed;

    private Build(Path root, List<Path> sources) throws IOException {
        this.root = root;
        this.sources = sources;
        Path folder = root.resolve("vendor");
        try (Stream<Path> files = Files.isDirectory(folder) ? Files.list(folder) : Stream.empty()) {
            vendor = files.filter(path -> path.toString().endsWith(".jar")).sorted().collect(Collectors.toList());
        }
    }

    public static void main(String[] arguments) throws IOException {
        List<Path> sources = new ArrayList<>();
        for (int i = 2; i < arguments.length; i++) {
            sources.add(Path.of(arguments[i]).toAbsolutePath());
        }
        Build build = new Build(Path.of(arguments[0]).toAbsolutePath(), sources);
        build.run(Path.of(arguments[1]).toAbsolutePath());
        System.exit(build.failed ? 1 : 0);
    }

    private String relative(Path path) {
        return path.startsWith(root) ? root.relativize(path).toString() : path.toString();
    }

    private void mistake(String file, long line, long column, String found, String expected, String remedy) {
        failed = true;
        say("", file, line, column, found, expected, remedy);
    }

    private static void say(String kind, String file, long line, long column, String found, String expected,
            String remedy) {
        String text = found.replaceAll("\\s*\n\\s*", ", ").replace(" | ", " / ");
        System.err.println(kind + file + ":" + Math.max(0, line) + ":" + Math.max(0, column) + ": " + text + " | "
                + expected + " | " + remedy);
    }

    private void run(Path output) throws IOException {
        Path classes = output.resolveSibling("classes");
        Files.createDirectories(classes);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
        List<String> options = new ArrayList<>(List.of("-d", classes.toString(), "-g", "-parameters", "-proc:none",
                LINT, "-cp"));
        options.add(Stream.concat(Stream.of(System.getProperty("java.class.path")), vendor.stream().map(Path::toString))
                .collect(Collectors.joining(File.pathSeparator)));
        try (StandardJavaFileManager files = compiler.getStandardFileManager(found, Locale.ENGLISH, null)) {
            List<JavaFileObject> texts = new ArrayList<>();
            files.getJavaFileObjects(sources.toArray(Path[]::new)).forEach(each -> texts.add(new WithoutMark(each)));
            compiler.getTask(null, files, found, options, null, texts).call();
        }
        for (Diagnostic<? extends JavaFileObject> each : found.getDiagnostics()) {
            boolean error = each.getKind() == Diagnostic.Kind.ERROR;
            boolean warning = each.getKind() == Diagnostic.Kind.WARNING
                    || each.getKind() == Diagnostic.Kind.MANDATORY_WARNING;
            if (error || warning) {
                failed |= error;
                String file = each.getSource() == null ? relative(sources.get(0))
                        : relative(Path.of(each.getSource().toUri()));
                say(error ? "" : "warning: ", file, each.getLineNumber(), each.getColumnNumber(),
                        each.getMessage(Locale.ENGLISH), error ? "Java that compiles" : "", "");
            }
        }
        String component = failed ? null : component(classes);
        if (component != null) {
            pack(classes, output, component);
        }
    }

    /** The class that extends Vnfc: of several, the one that is called as the first source's file. */
    private String component(Path classes) throws IOException {
        List<String> names;
        try (Stream<Path> files = Files.walk(classes)) {
            names = files.map(path -> classes.relativize(path).toString()).filter(name -> name.endsWith(".class"))
                    .map(name -> name.substring(0, name.length() - 6).replace('/', '.')).sorted()
                    .collect(Collectors.toList());
        }
        String wanted = sources.get(0).getFileName().toString().replaceFirst("\\.java$", "");
        List<String> components = new ArrayList<>();
        List<URL> urls = new ArrayList<>(List.of(classes.toUri().toURL()));
        for (Path jar : vendor) {
            urls.add(jar.toUri().toURL());
        }
        try (URLClassLoader loader = new URLClassLoader(urls.toArray(URL[]::new), Build.class.getClassLoader())) {
            for (String name : names) {
                Class<?> kind = Class.forName(name, false, loader);
                if (Vnfc.class.isAssignableFrom(kind) && !Modifier.isAbstract(kind.getModifiers())) {
                    components.add(name);
                }
            }
        } catch (ReflectiveOperationException | LinkageError wrong) {
            mistake(relative(sources.get(0)), 0, 0, wrong.toString(), "classes that can be loaded", "");
            return null;
        }
        List<String> named = components.stream()
                .filter(name -> name.substring(name.lastIndexOf('.') + 1).equalsIgnoreCase(wanted))
                .collect(Collectors.toList());
        List<String> chosen = named.isEmpty() ? components : named;
        if (chosen.size() == 1) {
            return chosen.get(0);
        }
        mistake(relative(sources.get(0)), 0, 0, chosen.isEmpty() ? "no class extends Vnfc" : "several: " + chosen,
                "one class that extends coven.Vnfc", "write `class " + capital(wanted) + " extends Vnfc`");
        return null;
    }

    private static String capital(String name) {
        return name.substring(0, 1).toUpperCase(Locale.ROOT) + name.substring(1);
    }

    private void pack(Path classes, Path output, String component) throws IOException {
        Manifest manifest = new Manifest();
        Attributes attributes = manifest.getMainAttributes();
        attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        attributes.put(COMPONENT, component);
        attributes.put(SOURCES, sources.stream().map(this::relative).collect(Collectors.joining(File.pathSeparator)));
        if (!vendor.isEmpty()) {
            attributes.put(Attributes.Name.CLASS_PATH,
                    vendor.stream().map(path -> path.toUri().toString()).collect(Collectors.joining(" ")));
        }
        try (OutputStream file = Files.newOutputStream(output); JarOutputStream jar = new JarOutputStream(file, manifest);
                Stream<Path> all = Files.walk(classes)) {
            jar.setLevel(0);
            for (Path path : all.filter(Files::isRegularFile).sorted().collect(Collectors.toList())) {
                jar.putNextEntry(new JarEntry(classes.relativize(path).toString()));
                Files.copy(path, jar);
                jar.closeEntry();
            }
        }
    }
}
