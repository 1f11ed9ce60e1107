package coven;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A method that says how the component itself finds that it is: "ok" or null, else a sentence. Asked once a second.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
public @interface Health {
    /** What is told of it. */
    String WHY = "how it finds that it is: ok, or what is not";
}
